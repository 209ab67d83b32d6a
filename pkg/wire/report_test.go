package wire

import (
	"testing"
	"time"
)

const goldenCounters = "00000000000003e8" + "0000000000000002" + "0000000000000003" +
	"0000000000000004" + "0000000000000005" + "0000000000000006" + "0000000000000007"

func someCounters() Counters {
	return Counters{
		Received: 1000, Duplicates: 2, Overflow: 3, BadTags: 4,
		NoRoom: 5, CEMarks: 6, BadSegments: 7,
	}
}

func goldenReport() golden {
	return golden{
		Report{
			At: 1500 * time.Millisecond, Counter: 0x0fffffff, Counters: someCounters(),
			Oldest: 9, Next: 13, Deficits: []Deficit{{9, 192}, {12, 1}},
		},
		"0000005d07" + "000000000016e360" + "000000000fffffff" + goldenCounters +
			"00000009" + "0000000d" + "0002" + "00000009c0" + "0000000c01",
	}
}

func TestReport(t *testing.T) { goldenReport().check(t) }

func TestReportWithoutDeficits(t *testing.T) {
	golden{Report{Oldest: 4, Next: 4},
		"00000053" + "07" + "0000000000000000" + "0000000000000000" +
			"0000000000000000" + "0000000000000000" + "0000000000000000" + "0000000000000000" +
			"0000000000000000" + "0000000000000000" + "0000000000000000" +
			"00000004" + "00000004" + "0000"}.check(t)
}

func TestReportBounds(t *testing.T) {
	b := body(goldenReport().message)
	for _, tt := range []struct {
		body []byte
		what string
	}{
		{with(b, 0, 0xff), "time"},
		{with(b, 8, 0, 0, 0, 0, 0x10, 0, 0, 1), "counter"},
		{with(b, 72, 0xff), "oldest block"},
		{with(b, 72, 0, 0, 0, 14), "oldest block 14, next block 13"},
		{with(b, 76, 0, 0x15, 0x55, 0x56), "next block"},
		{with(b, 80, 0, 1), "1 deficits in 10 bytes"},
		{with(b, 80, 0, 3), "3 deficits in 10 bytes"},
		{with(b, 80, 0xff, 0xff), "deficits: 65535"},
		{with(b, 82, 0, 0, 0, 8), "at block 8"},       // before the oldest
		{with(b, 86, 0), "a deficit of 0"},            //
		{with(b, 86, 193), "a deficit of 193"},        //
		{with(b, 87, 0, 0, 0, 9), "at block 9"},       // twice
		{with(b, 87, 0, 0, 0, 13), "at block 13"},     // at the next
		{with(b, 87, 0xff, 0xff, 0xff, 0xff), "4294"}, //
	} {
		refused(t, TypeReport, tt.body, tt.what)
	}
	panics(t, Report{Next: MaxBlocks, Deficits: make([]Deficit, MaxDeficits+1)})
	panics(t, Report{Oldest: 2, Next: 1})
	panics(t, Report{Next: MaxBlocks + 1})
}

// The greatest numbers that fit do not wrap around.
func TestReportAtItsEnds(t *testing.T) {
	r := Report{
		At: time.Duration(maxTime) * time.Microsecond, Counter: MaxPackets,
		Oldest: MaxBlocks - 1, Next: MaxBlocks, Deficits: []Deficit{{MaxBlocks - 1, BlockPackets}},
	}
	m, err := Parse(Append(nil, r)[lengthSize:])
	if err != nil {
		t.Fatal(err)
	}
	if got := m.(Report); got.At != r.At || got.Counter != r.Counter || got.Deficits[0] != r.Deficits[0] {
		t.Errorf("got %+v", got)
	}
}
