// Command bench measures daisy-mcast's server and clients against one TCP
// stream over the same link, and prints one table of ratios.
//
// It needs root, ip, tc and ethtool: it builds a sender and receivers as network
// namespaces on a bridge, shapes the sender's link, and takes everything down
// again. Each round sends the same random bytes by TCP to one receiver, then by
// `daisy-mcast server` to all. Files are on a tmpfs. Times run from the start of
// the first process to the exit of the last.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
	"time"
)

type options struct {
	receivers, rounds int
	megabytes         int64
	rate              string
	program           string
	limit             float64
	verbose           bool
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == tcpCommand {
		if err := tcpMain(os.Args[2:]); err != nil {
			fatal(err)
		}
		return
	}
	var o options
	flag.IntVar(&o.receivers, "receivers", 4, "number of receivers")
	flag.IntVar(&o.rounds, "rounds", 3, "number of rounds")
	flag.Int64Var(&o.megabytes, "mb", 256, "size of the file in MiB")
	flag.StringVar(&o.rate, "rate", "1gbit", "rate of the sender's link, as tc takes it")
	flag.StringVar(&o.program, "program", "", "the daisy-mcast to measure (default: build it)")
	flag.Float64Var(&o.limit, "limit", 0, "fail when the ratio is above this; 0: never")
	flag.BoolVar(&o.verbose, "v", false, "show what the programs say")
	flag.Parse()
	if err := bench(o); err != nil {
		fatal(err)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

// A round is what was measured at once.
type round struct {
	tcp, ours            time.Duration
	serverRSS, clientRSS int64 // peak, bytes; of the largest client
}

func (r round) ratio() float64 { return r.ours.Seconds() / r.tcp.Seconds() }

func bench(o options) (err error) {
	if os.Geteuid() != 0 {
		return fmt.Errorf("it makes network namespaces and needs root")
	}
	b, err := newBed(o.receivers, o.rate)
	defer func() {
		if undoErr := b.remove(); err == nil {
			err = undoErr
		}
	}()
	if err != nil {
		return err
	}
	m, err := newMeasure(b, o)
	if err != nil {
		return err
	}
	var rounds []round
	for range o.rounds {
		r, err := m.round()
		if err != nil {
			return err
		}
		rounds = append(rounds, r)
	}
	return report(o, rounds)
}

// report prints the table.
func report(o options, rounds []round) error {
	fmt.Printf("%d MiB at %s to %d receivers, against one TCP stream to one\n", o.megabytes, o.rate, o.receivers)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "round\tTCP s\tdaisy-mcast s\tratio\tserver MB\tclient MB\t")
	var ratios []float64
	for i, r := range rounds {
		ratios = append(ratios, r.ratio())
		fmt.Fprintf(w, "%d\t%.2f\t%.2f\t%.2f\t%.0f\t%.0f\t\n", i+1, r.tcp.Seconds(), r.ours.Seconds(),
			r.ratio(), float64(r.serverRSS)/1e6, float64(r.clientRSS)/1e6)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	slices.Sort(ratios)
	median := ratios[len(ratios)/2]
	fmt.Printf("median ratio %.2f; every receiver had the right bytes\n", median)
	if o.limit > 0 && median > o.limit {
		return fmt.Errorf("the ratio is above %.2f", o.limit)
	}
	return nil
}
