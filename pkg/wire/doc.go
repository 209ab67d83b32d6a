// Package wire has the formats of the native transport: the datagrams that a
// session multicasts and the messages of its control connections.
package wire
