package store

import (
	"errors"
	"fmt"
	"strings"
)

// Sentinels that callers branch on.
var (
	// ErrNoSet: nothing was activated yet.
	ErrNoSet = errors.New("store: no set is active")
	// ErrDigestMismatch: the bytes are not those that the digest names. Fetch
	// them again.
	ErrDigestMismatch = errors.New("store: content does not match its digest")
	// ErrSizeMismatch: more or fewer bytes than announced.
	ErrSizeMismatch = errors.New("store: content has another size than announced")
	// ErrReadOnly: the store was opened by Open.
	ErrReadOnly = errors.New("store: opened for reading only")
	// ErrIncomplete: a set cannot be activated while blobs are missing. The
	// error is an *IncompleteError.
	ErrIncomplete = errors.New("store: blobs are missing")
	// ErrBusy: another process writes to the store.
	ErrBusy = errors.New("store: in use by another process")
	// ErrManifest: not a manifest that can be served.
	ErrManifest = errors.New("store: not a usable manifest")
	// ErrSchema1: a Docker schema 1 manifest, which carries no layer sizes and
	// is refused by current engines.
	ErrSchema1 = fmt.Errorf("%w: Docker schema 1 is not supported, push the image again with a current Docker", ErrManifest)
	// ErrSet: a set that breaks its own rules.
	ErrSet = errors.New("store: not a valid set")
	// ErrUnsafe: a path that should be ours is something else.
	ErrUnsafe = errors.New("store: unsafe directory")
)

// An IncompleteError names the blobs that keep a set from being activated.
type IncompleteError struct {
	Set     string
	Missing []Blob
}

func (e *IncompleteError) Error() string {
	var sb strings.Builder
	fmt.Fprintf(&sb, "set %s: %d blobs are missing", short(e.Set), len(e.Missing))
	for i, b := range e.Missing {
		if i == 3 {
			sb.WriteString(", …")
			break
		}
		fmt.Fprintf(&sb, ", %s", b.Digest)
	}
	return sb.String()
}

// Unwrap makes errors.Is(err, ErrIncomplete) hold.
func (e *IncompleteError) Unwrap() error { return ErrIncomplete }

// A BlobError says what is wrong with one blob.
type BlobError struct {
	Digest Digest
	Err    error
}

func (e *BlobError) Error() string { return fmt.Sprintf("blob %s: %v", e.Digest, e.Err) }
func (e *BlobError) Unwrap() error { return e.Err }

// short cuts a set's ID for messages.
func short(id string) string {
	if len(id) > 12 {
		return id[:12]
	}
	return id
}
