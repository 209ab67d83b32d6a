package jasmine

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// A vector is a recorded session of the original programs, in the order seen at
// the server's interface. The programs themselves are not here: these stand for
// them.
type vector struct {
	Scenario string
	Clients  int
	Payload  string `json:"payload_hex"`
	Events   []vectorEvent
}

// A vectorEvent is a run of bytes in one direction of one client's connection,
// or one datagram.
type vectorEvent struct {
	TCP, UDP string
	Client   int
	TTL      int
	Hex      string
}

const fromServer, fromClient = "server->client", "client->server"

func vectors(t testing.TB) (out []vector) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) < 4 {
		t.Fatal("no recorded sessions", files, err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var v vector
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatal(name, err)
		}
		out = append(out, v)
	}
	return out
}
