// Package sim runs whole sessions of the native transport in virtual time: the
// sender's and the receivers' cores of pkg/transfer, the same code that the
// program runs, over a network of switch ports with rates, queues, delays and
// faults.
//
// [Run] is one loop in one goroutine with its own clock and its own random
// numbers, so that one seed gives one history: [Result].Hash is over all of it.
//
// The network: the sender's interface, if it has a rate, delays packets and loses
// none. A switch copies each packet to the ports. A port has a rate and a queue of
// so many bytes; what does not fit is lost. Hosts whose ports are alike and carry
// nothing else share one, which changes nothing but the time that a run takes.
// Loss, duplication and reordering happen behind the port, for each host on its
// own, or before the switch, for all. Control messages take a fixed time, as over
// a TCP connection that loses nothing; one-to-one repairs take turns at the port.
//
// Packets have no bytes, unless Config.Bytes: pkg/parity then really encodes and
// solves, and every host's copy is compared with the source.
//
// A host's disk has a rate, and may pause; what waits for it fills the host's memory.
//
// What it is not: hosts have no CPU. A host that is slow by it is modelled by the
// rate of its port.
package sim
