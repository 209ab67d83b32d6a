package pyyaml

import (
	"fmt"
	"strings"
	"testing"
)

// What PyYAML 6.0's safe_load makes of a plain scalar, recorded from it.
var scalarTable = []struct {
	text string
	kind Kind
	want string // the number, for those that are one
}{
	{"~", Null, ""}, {"null", Null, ""}, {"Null", Null, ""}, {"NULL", Null, ""}, {"nULL", Str, ""},
	{"yes", Bool, "true"}, {"Yes", Bool, "true"}, {"YES", Bool, "true"}, {"yEs", Str, ""},
	{"no", Bool, "false"}, {"on", Bool, "true"}, {"off", Bool, "false"}, {"OFF", Bool, "false"},
	{"true", Bool, "true"}, {"False", Bool, "false"}, {"y", Str, ""}, {"n", Str, ""},
	{"0", Int, "0"}, {"-0", Int, "0"}, {"+12", Int, "12"}, {"-12", Int, "-12"}, {"123456", Int, "123456"},
	{"1_000", Int, "1000"}, {"1_", Int, "1"}, {"_1", Str, ""},
	{"010", Int, "8"}, {"0_7", Int, "7"}, {"08", Str, ""}, {"0o17", Str, ""}, {"00", Int, "0"},
	{"0x1F", Int, "31"}, {"0xg", Str, ""}, {"0b101", Int, "5"}, {"-0b11", Int, "-3"}, {"0b2", Str, ""},
	{"12:30:45", Int, "45045"}, {"1:0", Int, "60"}, {"1:60", Str, ""}, {"0:10", Str, ""},
	{"52:54:00:12:34:56", Int, "41135085296"},
	{"52:54:00:ab:34:56", Str, ""}, {"00:11:22:33:44:55", Str, ""}, {"-1:30", Int, "-90"},
	{"123456789012345678901234567890", Int, "123456789012345678901234567890"},
	{"1.5", Float, "1.5"}, {"1.", Float, "1"}, {".5", Float, "0.5"}, {"1e3", Str, ""}, {"1.0e3", Str, ""},
	{"1.0e+3", Float, "1000"}, {"-1.5e-1", Float, "-0.15"}, {"1_0.5", Float, "10.5"},
	{"1:30.5", Float, "90.5"}, {".inf", Float, "+Inf"}, {"-.INF", Float, "-Inf"}, {".nan", Float, "NaN"},
	{".", Str, ""}, {"10.20.11.2", Str, ""}, {"10.20.11.0/24", Str, ""}, {"-", Str, ""},
	{"2017-02-02", Timestamp, ""}, {"2017-2-2", Str, ""}, {"2017-02-02 10:11:12", Timestamp, ""},
	{"2017-2-2T1:11:12.5Z", Timestamp, ""}, {"2017-02-02t10:11:12 +01:00", Timestamp, ""},
	{"Feb 2 2017", Str, ""}, {"controller01", Str, ""}, {"/dev/sdb", Str, ""},
}

func TestScalarsAreTypedAsPyYAMLDoes(t *testing.T) {
	for _, tt := range scalarTable {
		if tt.text == "-" {
			if got := plainKind(tt.text); got != Str {
				t.Errorf("plainKind(-) = %v, want a string", got)
			}
			continue
		}
		doc, err := Parse("t.yml", []byte("key: "+tt.text+"\n"))
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		n := doc.Root().Fields().Get("key")
		if got := n.Kind(); got != tt.kind {
			t.Errorf("%q is %v, want %v", tt.text, got, tt.kind)
			continue
		}
		if got := shown(n); tt.want != "" && got != tt.want {
			t.Errorf("%q has the value %s, want %s", tt.text, got, tt.want)
		}
	}
}

func shown(n *Node) string {
	switch n.Kind() {
	case Bool:
		return fmt.Sprint(parseBool(n.raw.Value))
	case Int:
		i, _ := parseInt(n.raw.Value)
		return i.String()
	case Float:
		return fmt.Sprint(parseFloat(n.raw.Value))
	}
	return ""
}

func TestQuotedAndTaggedScalars(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Kind
	}{
		{`'123456'`, Str}, {`"on"`, Str}, {`''`, Str}, {`'~'`, Str}, {`"<<"`, Str}, {`'='`, Str},
		{`!!str 123456`, Str}, {`!!str`, Str}, {`!!int '12'`, Int}, {`!!float 12`, Float},
		{`!!bool 'on'`, Bool}, {`!!null x`, Null}, {`!!binary aGk=`, Binary},
		{"|\n  123", Str}, {">\n  on", Str}, {``, Null}, {`[]`, Sequence}, {`{}`, Mapping},
	} {
		doc, err := Parse("t.yml", []byte("key: "+tt.text+"\n"))
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if got := doc.Root().Fields().Get("key").Kind(); got != tt.want {
			t.Errorf("%s is %v, want %v", tt.text, got, tt.want)
		}
	}
}

func TestWhatSafeLoadCannotConstructIsRefused(t *testing.T) {
	for _, text := range []string{
		"=", "<<", "[<<]", "0x_", "0b_", "!!python/object:os.system x", "!secret x", "!!int abc", "!!bool 1",
		"!!float abc", "!!set {a}", "!!omap []", "!!timestamp x", "!!map []",
	} {
		_, err := Parse("t.yml", []byte("a: 1\nkey: "+text+"\n"))
		if err == nil || !strings.HasPrefix(err.Error(), "t.yml:2: ") {
			t.Errorf("%s: got %v, want an error at t.yml:2", text, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the message shows a value: %v", err)
		}
	}
}
