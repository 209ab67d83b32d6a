// Command bench measures daisy-mcast against one TCP stream over the same link,
// in the same run, and prints one table of values beside their targets.
//
// It needs root, ip, tc, ethtool and nft: it builds a sender and receivers as
// network namespaces on a bridge, shapes the sender's link, and takes everything
// down again. What is measured, and what it should come to, is the list of
// scenes. Files are on a tmpfs; every receiver's are compared with what was sent.
//
// Times run from the start of the sending program to the exit of the last
// program; receiving programs are started before, and wait for their token or
// connection. Loss is on all of IPv4, TCP included.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/daisy-mcast/daisy-mcast/test/lab"
)

// options are the flags.
type options struct {
	only    string
	rounds  int
	quick   bool
	strict  bool
	verbose bool
	program string
	list    bool
}

func main() {
	lab.Init()
	if len(os.Args) > 1 {
		if f, ok := inner()[os.Args[1]]; ok {
			exit(f(os.Args[2:]))
		}
	}
	var o options
	flag.StringVar(&o.only, "case", "", "only these cases, separated by commas (default: all)")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds of each case; medians count")
	flag.BoolVar(&o.quick, "quick", false, "an eighth of the bytes and one round: to see that it runs")
	flag.BoolVar(&o.strict, "strict", false, "fail when a target is missed")
	flag.BoolVar(&o.verbose, "v", false, "show what the programs say")
	flag.StringVar(&o.program, "program", "", "the daisy-mcast to measure (default: build it)")
	flag.BoolVar(&o.list, "list", false, "list the cases")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(bench(ctx, o))
}

// inner returns the commands by which this program is what it measures against.
func inner() map[string]func([]string) error {
	return map[string]func([]string) error{
		tcpCommand: tcpMain, bareCommand: bareMain, simulateCommand: simulateMain,
		importCommand: importMain,
	}
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func bench(ctx context.Context, o options) error {
	images := chooseImages(o)
	chosen, err := choose(scenes(), o)
	if err != nil && len(images) == 0 || o.list {
		return err
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("it makes network namespaces and needs root")
	}
	tools, remove, err := findTools(ctx, o)
	if err != nil {
		return err
	}
	defer remove()
	var lines []line
	var errs []error
	for _, s := range chosen {
		rounds, err := play(ctx, tools, s, o)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.name, err))
			fmt.Fprintf(os.Stderr, "  %v\n", err)
		}
		if ctx.Err() != nil {
			break
		}
		lines = append(lines, s.lines(rounds)...)
	}
	for _, c := range images {
		if ctx.Err() != nil {
			break
		}
		more, err := c.play(ctx, tools, o)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.name, err))
			fmt.Fprintf(os.Stderr, "  %v\n", err)
		}
		lines = append(lines, more...)
	}
	describe(os.Stdout)
	if o.quick {
		fmt.Println("-quick: an eighth of the bytes, one round")
	}
	printTable(os.Stdout, lines)
	if n := missed(lines); o.strict && n > 0 {
		errs = append(errs, fmt.Errorf("%d targets missed", n))
	}
	return errors.Join(errs...)
}

// choose returns the scenes that the flags ask for.
func choose(all []scene, o options) (chosen []scene, err error) {
	names := strings.Split(o.only, ",")
	for _, s := range all {
		if o.list {
			fmt.Println(s.name)
		}
		if o.only != "" && !slices.Contains(names, s.name) {
			continue
		}
		if o.quick {
			s.size = max(s.size/8, 1<<20)
		}
		chosen = append(chosen, s)
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no case is called %q; -list shows them", o.only)
	}
	return chosen, nil
}
