// Package remote runs programs on a host: it starts one session per host and
// leaves our agent speaking on the session's standard streams.
//
// A [Host] starts a [Session]; the packages remote/ssh and remote/local
// implement it. [Bootstrap] is what the main job needs: it starts a session,
// becomes root where asked to, copies the program where it is absent, and
// returns with the session positioned at the agent's first byte. What goes
// wrong is an [*Error], whose [Reason] fits in a table.
//
// The package knows nothing of images or transfers, and keeps no state of its
// own: any number of hosts may be used at once.
package remote
