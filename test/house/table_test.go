// Package house_test holds the rules of this repository's house that a program
// can check: which package may import which, and a few of style.
//
// The packages stand in three columns. Transport does not know what an image is,
// images do not know how bytes travel, hosts know neither; they meet only in the
// top column, in deploy, agent and cli. So each column can be read, tested and
// replaced alone.
package house_test

// A column is a set of packages that may import each other, as far as their rows
// in the table let them.
type column string

const (
	top       column = "top"
	transport column = "transport"
	images    column = "images"
	hosts     column = "hosts"
	tests     column = "tests"
	base      column = "base" // beneath all of them: no word in it is a column's
)

// module is the path before every package of ours.
const module = "github.com/daisy-mcast/daisy-mcast"

// everything, in place of a list, lets a package import all but tests.
const everything = "..."

// A row is a package and what it may import of ours, tests aside: packages, or
// whole columns by name. A package of another column is allowed to the top
// column only; one of the base, which itself imports none of ours, to all.
type row struct {
	path    string
	column  column
	imports []string
	because string
}

// table has every package. A new one begins with its row, and with a reason.
var table = []row{
	{"cmd/daisy-mcast", top, []string{"pkg/cli"},
		"main only hands its arguments over, so that tests can run all the rest"},
	{"cmd/daisy-mcast-man", top, []string{"pkg/cli"},
		"manual pages are made by a program apart: daisy-mcast itself goes to every host"},
	{"pkg/cli", top, []string{everything},
		"a command is the place where flags, a column and the screen meet"},
	{"pkg/deploy", top, []string{"transport", "images", "hosts", "pkg/agent/message", "pkg/progress"},
		"the main job needs all three columns; of the other end it knows the messages, not the code"},
	{"pkg/agent", top, []string{"transport", "images", "base", "pkg/agent/message"},
		"a host works on itself: it reaches no other host and reads none of the operator's files"},
	{"pkg/agent/message", top, []string{"pkg/origin", "pkg/rangeset", "pkg/registry", "pkg/store"},
		"both ends share it, so it has the types that travel and nothing that acts"},
	{"pkg/progress", top, nil,
		"what is shown is told by events, so that any step can be shown without being known"},

	{"pkg/atomicfile", base, nil,
		"a file replaced whole is the same care in every column, and was written six times with six different lapses"},

	{"pkg/control", transport, nil,
		"it carries calls and their answers, whatever they are about"},
	{"pkg/multicast", transport, nil,
		"group sockets are below every protocol that uses them"},
	{"pkg/jasmine", transport, []string{"pkg/multicast"},
		"Daisy's protocol carries bytes; that they are blobs is not its business"},
	{"pkg/rangeset", transport, nil,
		"which numbers are in a set does not depend on what they number"},
	{"pkg/parity", transport, nil,
		"arithmetic on packets, whoever lost them"},
	{"pkg/wire", transport, []string{"pkg/rangeset"},
		"formats are read and written alike by both ends, so they know neither"},
	{"pkg/pace", transport, nil,
		"a rate follows from times and counts, whatever is sent"},
	{"pkg/transfer", transport, []string{"pkg/multicast", "pkg/pace", "pkg/parity", "pkg/rangeset", "pkg/wire"},
		"it is the one place where packets, repair, rate and sockets become a transfer"},
	{"pkg/sim", transport, []string{"pkg/pace", "pkg/parity", "pkg/rangeset", "pkg/transfer", "pkg/wire"},
		"it runs the transport's cores in virtual time, and nothing that has a clock of its own"},

	{"pkg/midstate", images, nil,
		"SHA-256 from block to block is arithmetic, whatever is hashed; both ends of a pack need it"},
	{"pkg/store", images, []string{"pkg/atomicfile", "pkg/midstate"},
		"the layout on disk is what the other packages of images agree on"},
	{"pkg/signature", images, nil,
		"whether bytes are signed does not depend on what they are"},
	{"pkg/imageset", images, []string{"pkg/midstate", "pkg/signature", "pkg/store"},
		"bundles go into a store and packs come out of it; who serves them does not matter"},
	{"pkg/imageset/sample", images, []string{"pkg/store"},
		"it makes bundles without the code that reads them, else both could be wrong alike"},
	{"pkg/origin", images, []string{"pkg/engine", "pkg/imageset", "pkg/signature", "pkg/store"},
		"images that a program has, by way of what imageset takes; that are no files"},
	{"pkg/registry", images, []string{"pkg/store", "pkg/atomicfile"},
		"it serves what a store has; how that came there does not matter"},
	{"pkg/engine", images, nil,
		"the engine's API behind an interface of ours, so that its client can be replaced"},
	{"pkg/engine/enginetest", images, []string{"pkg/engine"},
		"an engine for tests is an engine"},
	{"pkg/launch", images, []string{"pkg/engine", "pkg/registry", "pkg/store", "pkg/atomicfile"},
		"it brings a registry over a store to life, in an engine or without one"},

	{"pkg/hostname", hosts, nil,
		"what may be a host's name is one rule for every file that has names"},
	{"pkg/pyyaml", hosts, nil,
		"how YAML is typed is one rule for every file that is YAML"},
	{"pkg/daisyconfig", hosts, []string{"pkg/pyyaml", "pkg/hostname"},
		"Daisy's two files, without a connection to any host"},
	{"pkg/hostlist", hosts, []string{"pkg/pyyaml", "pkg/hostname"},
		"the other way to name hosts; the two do not know each other"},
	{"pkg/kolla", hosts, []string{"pkg/pyyaml", "pkg/hostname", "pkg/atomicfile"},
		"Kolla's files are the operator's, whatever a set is or a registry does"},
	{"pkg/remote", hosts, []string{"pkg/hostname"},
		"a session is bytes and an exit code, whoever gives it"},
	{"pkg/remote/ssh", hosts, []string{"pkg/remote", "pkg/hostname"},
		"one way to a host"},
	{"pkg/remote/local", hosts, []string{"pkg/remote"},
		"the other way to a host, for demos and tests"},
	{"pkg/remote/remotetest", hosts, []string{"pkg/remote"},
		"what every way to a host has to pass knows none of them"},

	{"test/lab", tests, nil,
		"the lab has hosts and networks; what runs in it comes from the tests"},
	{"test/e2e", tests, []string{everything, "test/lab"},
		"the whole product, run in the lab"},
	{"test/bench", tests, []string{everything, "test/lab"},
		"the whole product, measured in the lab"},
	{"test/collection", tests, nil,
		"Ansible's tools run the collection, and it runs the program: nothing of ours is linked in"},
	{"test/vectors", tests, []string{everything},
		"what another implementation says is held against each package that speaks the protocol"},
	{"test/port", base, nil,
		"a port of one test is no other's, of whatever package: go test runs many at a time"},
	{"test/house", tests, nil,
		"the rules read the code and do not run it"},
}

// A dependency is a module of others, by the front of its import paths.
type dependency struct {
	prefix  string
	users   []string // packages that may import it; everything for all
	inTests bool     // whether any test may import it too
	because string
}

// dependencies has every module that is imported. One that is missing here was
// not decided on.
var dependencies = []dependency{
	{"gopkg.in/yaml.v3", []string{"pkg/pyyaml"}, false,
		"it is no longer maintained: its successor takes its place in one package"},
	{"github.com/docker/docker", []string{"pkg/engine"}, false,
		"the client has moved before and will again"},
	{"github.com/docker/go-connections", []string{"pkg/engine"}, false,
		"it belongs to Docker's client"},
	{"github.com/containerd/errdefs", []string{"pkg/engine"}, false,
		"it belongs to Docker's client"},
	{"github.com/distribution/reference", []string{"pkg/engine"}, false,
		"how an engine reads a name is the engine's"},
	{"github.com/google/go-containerregistry", []string{"pkg/origin"}, true,
		"an oracle beside our registry, of which it may be no part; where images are read from others' registries, their ways to log in"},
	{"github.com/rogpeppe/go-internal", nil, true,
		"testscript, for the commands"},
	{"github.com/spf13/", []string{"pkg/cli", "cmd/daisy-mcast", "cmd/daisy-mcast-man"}, false,
		"flags end where the command line does"},
	{"github.com/klauspost/compress", []string{"pkg/imageset", "pkg/imageset/sample"}, true,
		"bundles are compressed, and nothing else"},
	{"github.com/klauspost/reedsolomon", []string{"pkg/parity"}, false,
		"the code's kernels behind two functions of ours, so that they can be replaced"},
	{"golang.org/x/term", []string{"pkg/progress", "pkg/cli"}, false,
		"only what is shown to a person asks for a terminal"},
	{"golang.org/x/net/ipv4", []string{"pkg/multicast"}, true,
		"groups are joined in one place"},
	{"golang.org/x/net/http/httpproxy", []string{"pkg/origin"}, false,
		"proxies are for the sources of images alone, R6"},
	{"golang.org/x/sync", []string{everything}, true,
		"errgroup, for whoever starts goroutines"},
	{"golang.org/x/sys", []string{everything}, true,
		"the system calls that the standard library leaves out"},
}
