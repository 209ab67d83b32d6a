// Package multicast opens IPv4 group sockets on one named interface: a
// Receiver that reads datagrams in batches without allocating, and a Sender
// that writes them in batches.
//
// Both are bound to an interface by index, found from one of its addresses, so
// that the routing table has no say (a host with several networks would join on
// the wrong one). The receiving socket is bound to the group's own address and
// IP_MULTICAST_ALL is off: it hears this group and nothing that other sockets
// of the host joined. Loopback works: 127.0.0.x stands for the loopback
// interface, and several receivers on one machine each get every datagram.
//
// The package knows nothing of what the datagrams say, of loss or of rates.
// It is for Linux.
package multicast
