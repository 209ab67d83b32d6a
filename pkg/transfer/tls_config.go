package transfer

import (
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/daisy-mcast/daisy-mcast/pkg/wire"
)

// ErrSenderKey says that who answers at the sender's address is not the sender
// that was pinned (fault 55).
var ErrSenderKey = errors.New("transfer: sender key mismatch")

// ErrStranger says that a receiver's certificate is none of those expected.
var ErrStranger = errors.New("transfer: unknown certificate")

// tlsConfig is what both ends have in common. Certificates are not verified by
// crypto/tls but by their pins, in VerifyConnection: unlike
// VerifyPeerCertificate it would run on resumed connections too, if there were
// any. With the one ALPN a confused HTTPS client or server goes no further.
func tlsConfig(id *Identity, verify func(Pin) error) *tls.Config {
	return &tls.Config{
		Certificates:           []tls.Certificate{id.certificate},
		MinVersion:             tls.VersionTLS13,
		NextProtos:             []string{wire.ALPN},
		SessionTicketsDisabled: true,
		InsecureSkipVerify:     true, // pins, not authorities
		ClientAuth:             tls.RequireAnyClientCert,
		VerifyConnection: func(s tls.ConnectionState) error {
			if s.Version != tls.VersionTLS13 || s.NegotiatedProtocol != wire.ALPN || s.DidResume {
				return fmt.Errorf("transfer: not a connection of %s", wire.ALPN)
			}
			if len(s.PeerCertificates) != 1 {
				return fmt.Errorf("transfer: %d certificates, not one", len(s.PeerCertificates))
			}
			return verify(pinOf(s.PeerCertificates[0]))
		},
	}
}

// receiverTLS believes one sender.
func receiverTLS(id *Identity, sender Pin) *tls.Config {
	return tlsConfig(id, func(p Pin) error {
		if p != sender {
			return ErrSenderKey
		}
		return nil
	})
}

// senderTLS believes those receivers that admit does. By token that is anyone:
// the proof in the HELLO decides.
func senderTLS(id *Identity, admit func(Pin) bool) *tls.Config {
	return tlsConfig(id, func(p Pin) error {
		if !admit(p) {
			return ErrStranger
		}
		return nil
	})
}

// exporterSize is the length of the exporter value that a proof is made over.
const exporterSize = 32

// proofOf returns the proof of secret on a connection whose handshake is done.
// The zero proof stands for no secret.
func proofOf(s tls.ConnectionState, secret []byte) (wire.Proof, error) {
	if len(secret) == 0 {
		return wire.Proof{}, nil
	}
	exporter, err := s.ExportKeyingMaterial(wire.ExporterLabel, nil, exporterSize)
	if err != nil {
		return wire.Proof{}, fmt.Errorf("exporting a value of the connection: %w", err)
	}
	return wire.NewProof(secret, exporter), nil
}
