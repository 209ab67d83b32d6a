package pyyaml

const (
	// maxBytes bounds a file. A deploy.yml of a thousand hosts has 300 KiB.
	maxBytes = 1 << 20

	// maxMarks bounds what can become nodes - line ends, commas, dashes,
	// brackets, counted before parsing - so that a hostile file of maxBytes
	// stays under 64 MiB of memory. A thousand hosts come to some 40,000.
	maxMarks = 120_000

	// maxNodes bounds the document with its aliases expanded.
	maxNodes = 200_000

	// maxDepth bounds nesting, through aliases too. Daisy's files have 6.
	maxDepth = 64

	// maxProblems bounds the errors, and the warnings, of one document.
	maxProblems = 20
)
