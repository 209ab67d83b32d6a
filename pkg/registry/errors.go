package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/daisy-mcast/daisy-mcast/pkg/store"
)

// Errors that callers branch on.
var (
	// ErrNotOurs says that what answers does not carry the expected identity.
	ErrNotOurs = errors.New("registry: not the registry that was started")
	// ErrWrongSource says that content came, but not from the store (or, of
	// VerifyThrough, not from upstream).
	ErrWrongSource = errors.New("registry: content came from the wrong source")
	// ErrNoUpstream says that no central registry is configured.
	ErrNoUpstream = errors.New("registry: no upstream is configured")
	// ErrPlain says that plain HTTP was asked for on an address other machines reach.
	ErrPlain = errors.New("registry: plain HTTP is for loopback addresses only")
)

// A BadImageError says what is wrong with one image, or with one blob of it,
// as a registry delivers it.
type BadImageError struct {
	Image store.Image
	Blob  store.Digest // "" when the image's tag or manifest is meant
	Err   error
}

func (e *BadImageError) Error() string {
	name := e.Image.Repository
	if e.Image.Tag != "" {
		name += ":" + e.Image.Tag
	}
	if e.Blob == "" {
		return fmt.Sprintf("%s: %v", name, e.Err)
	}
	return fmt.Sprintf("%s: blob %s: %v", name, e.Blob, e.Err)
}

func (e *BadImageError) Unwrap() error { return e.Err }

// A StatusError is an answer of a registry that is not what was asked for.
type StatusError struct {
	URL     string
	Status  int    // HTTP status
	Message string // what the registry said, clipped; may be empty
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("%s answers %d %s", e.URL, e.Status, http.StatusText(e.Status))
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

// An apiError is an answer of this registry that is not a success. Its text is
// for the client; err is for the log.
type apiError struct {
	status  int
	code    string // of the specification's list, section "Error Codes"
	message string
	err     error
}

func (e *apiError) Error() string {
	if e.err != nil {
		return fmt.Sprintf("%s: %s: %v", e.code, e.message, e.err)
	}
	return e.code + ": " + e.message
}

func (e *apiError) Unwrap() error { return e.err }

func notFound(code, message string) *apiError {
	return &apiError{status: http.StatusNotFound, code: code, message: message}
}

func badRequest(code, message string) *apiError {
	return &apiError{status: http.StatusBadRequest, code: code, message: message}
}

// asAPIError turns what a part of the handler returned into an answer. An error
// that no part made for the client is a fault of ours: its text stays in the log.
func asAPIError(err error) *apiError {
	var e *apiError
	if errors.As(err, &e) {
		return e
	}
	return &apiError{
		status:  http.StatusInternalServerError,
		code:    "UNKNOWN",
		message: "the registry cannot read its store",
		err:     err,
	}
}

// write sends e as the specification's error JSON.
func (e *apiError) write(w http.ResponseWriter) {
	type entry struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	body := struct {
		Errors []entry `json:"errors"`
	}{[]entry{{e.code, e.message}}}
	writeJSON(w, e.status, "application/json", body)
}

// writeJSON sends v. What v is made of always encodes.
func writeJSON(w http.ResponseWriter, status int, mediaType string, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(raw) // a client that went away is seen by the server
}

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
