package signature

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// Annotation is where cosign keeps an image's signature: on a layer of a manifest
// that lies beside the image under Tag. The layer's content is what is signed.
const Annotation = "dev.cosignproject.cosign/signature"

// Tag is the tag of an image's signatures, in the image's repository. digest is as
// in "sha256:<hex>".
func Tag(digest string) string { return strings.Replace(digest, ":", "-", 1) + ".sig" }

// payload is what cosign signs, the "simple signing" format of containers/image.
type payload struct {
	Critical struct {
		Image struct {
			Digest string `json:"docker-manifest-digest"`
		} `json:"image"`
		Type string `json:"type"`
	} `json:"critical"`
}

// VerifyImage checks that a payload names the manifest digest, and that the
// signature, in base64 as the annotation has it, is of the payload.
func (k Key) VerifyImage(digest string, content []byte, annotation string) error {
	if len(content) > maxPayload || len(annotation) > maxSignature {
		return fmt.Errorf("%w: a payload of %d bytes", ErrSignature, len(content))
	}
	sig, err := base64.StdEncoding.DecodeString(annotation)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if err := k.Verify(content, sig); err != nil {
		return err
	}
	var p payload
	if err := json.Unmarshal(content, &p); err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if p.Critical.Type != "cosign container image signature" {
		return fmt.Errorf("%w: the payload is of type %q", ErrSignature, p.Critical.Type)
	}
	if p.Critical.Image.Digest != digest {
		return fmt.Errorf("%w: it is of %q", ErrSignature, p.Critical.Image.Digest)
	}
	return nil
}
