// Package kolla is what daisy-mcast knows of Kolla's configuration: it makes
// the one file that points Kolla at the hosts' own registries, and it says what
// in the operator's files stands against it.
//
// [FromSet] finds out how Kolla has to name the images of a set, [Render] makes
// the drop-in's text, [Write] and [Remove] put it into globals.d and take it
// out again, [Check] reads the operator's files beside it and [Precheck] finds
// the hosts of Kolla's inventory that have no registry of ours.
//
// The operator's own files are read and never written. The package does not
// run Ansible and does not know how images came to the hosts.
package kolla
