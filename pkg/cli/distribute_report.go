package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/daisy-mcast/daisy-mcast/pkg/atomicfile"
	"github.com/daisy-mcast/daisy-mcast/pkg/deploy"
	"github.com/daisy-mcast/daisy-mcast/pkg/progress"
)

func writeReport(std *streams, opt distributeOptions, rep *deploy.Report) error {
	var errs []error
	if opt.output == outputTable {
		rows := rep.Rows()
		errs = append(errs, progress.RenderTable(std.Out, rows))
		_, err := fmt.Fprintln(std.Out, progress.Summary(rows))
		errs = append(errs, err)
	} else {
		errs = append(errs, writeAsJSON(std.Out, opt.output, rep))
	}
	if opt.report != "" {
		errs = append(errs, writeJSONFile(opt.report, rep))
	}
	return errors.Join(errs...)
}

// checkReport tells before anything is done if --report names what cannot be written.
func checkReport(path string) error {
	if path == "" {
		return nil
	}
	if err := atomicfile.CanPut(path); err != nil {
		return fmt.Errorf("--report: %w", err)
	}
	return nil
}

// writeJSONFile replaces path as a whole.
func writeJSONFile(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Put(path, append(b, '\n'), 0o644)
}

// distributeExit gives the run's outcome its exit code.
func distributeExit(rep *deploy.Report, err error) error {
	switch {
	case errors.Is(err, deploy.ErrInput):
		return usage(err, "")
	case errors.Is(err, deploy.ErrNoWay):
		return usage(err, "")
	case errors.Is(err, deploy.ErrInterrupted):
		return &ExitError{Code: ExitInterrupted, Err: errors.New(interruptedText(rep))}
	case err != nil:
		return err
	case rep.Outcome(progress.Failed) > 0, rep.PreloadFailed() > 0:
		return &ExitError{Code: ExitFailed}
	case rep.Outcome(progress.Central) > 0:
		return &ExitError{Code: ExitCentral}
	}
	return nil
}

// interruptedText says which set the hosts are left with.
func interruptedText(rep *deploy.Report) string {
	if n := rep.Outcome(progress.Local) + rep.Outcome(progress.Central); n > 0 {
		return fmt.Sprintf("interrupted while hosts were switched to the new set: %d of %d had proved it; run it again", n, len(rep.Hosts))
	}
	return "interrupted; hosts keep what they served before"
}

// writeAsJSON writes v in the format, with the names that its JSON has.
func writeAsJSON(w io.Writer, format outputFormat, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var plain any
	if err := json.Unmarshal(b, &plain); err != nil {
		return err
	}
	if format == outputJSON {
		plain = v // keeps the order of its fields
	}
	return writeDocument(w, format, plain)
}
