// Package launch starts, stops and checks the registry of this machine, as a
// container, as a systemd service or as a plain process.
//
// [Start] is idempotent: a registry of ours that runs with the same program and
// arguments is kept, another one is replaced: it serves until its successor has been
// tried out beside it and waits for its addresses, and comes back when that does not
// prove itself (fault 73). Whoever is killed in between leaves one of the two serving.
// [Check] says what is there. [Stop] ends it,
// and removes what Start made when asked to. None of them touches the store.
//
// A registry counts as started when it answers /v2/ with the identity that it
// was given, when the listening sockets belong to the very process that was
// started, and when that process listens on nothing else (R8, faults 71, 72).
// [Listener] tells whose a listening socket is.
//
// Below the base directory's run lie the pid file of a process, the lock that
// keeps two runs apart, and a note of the engines that a container of ours was
// made in: an engine that is down cannot say so itself (fault 70).
//
// # Limitations
//
// Whose a socket is can be seen by root only, for processes of others. A
// service's program must not be overwritten in place by another version: then
// there is nothing to go back to. Each version has a path of its own, or a
// container.
package launch
