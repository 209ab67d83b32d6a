package pyyaml

import (
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// patterns are PyYAML 6.0's implicit resolvers (yaml/resolver.py), anchored on
// both sides. They are its own, not those of the YAML 1.1 specification: an
// exponent needs its sign, 08 is a string.
type patterns struct {
	boolean, integer, float, null, timestamp *regexp.Regexp
}

var compiled = sync.OnceValue(func() patterns {
	return patterns{
		boolean: regexp.MustCompile(`^(?:yes|Yes|YES|no|No|NO` +
			`|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$`),
		integer: regexp.MustCompile(`^(?:[-+]?0b[0-1_]+` +
			`|[-+]?0[0-7_]+` +
			`|[-+]?(?:0|[1-9][0-9_]*)` +
			`|[-+]?0x[0-9a-fA-F_]+` +
			`|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$`),
		float: regexp.MustCompile(`^(?:[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+][0-9]+)?` +
			`|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?` +
			`|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*` +
			`|[-+]?\.(?:inf|Inf|INF)` +
			`|\.(?:nan|NaN|NAN))$`),
		null: regexp.MustCompile(`^(?:~|null|Null|NULL|)$`),
		timestamp: regexp.MustCompile(`^(?:[0-9]{4}-[0-9]{2}-[0-9]{2}` +
			`|[0-9]{4}-[0-9][0-9]?-[0-9][0-9]?(?:[Tt]|[ \t]+)[0-9][0-9]?` +
			`:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?` +
			`(?:[ \t]*(?:Z|[-+][0-9][0-9]?(?::[0-9][0-9])?))?)$`),
	}
})

// plainKind returns the kind of an unquoted scalar without a tag.
func plainKind(text string) Kind {
	if text == "" {
		return Null
	}
	re := compiled()
	switch first := text[0]; {
	case strings.IndexByte("yYnNtTfFoO", first) >= 0:
		if re.boolean.MatchString(text) {
			return Bool
		}
		if re.null.MatchString(text) {
			return Null
		}
	case first == '~':
		if text == "~" {
			return Null
		}
	case strings.IndexByte("-+.0123456789", first) >= 0:
		return numberKind(text)
	}
	return Str
}

func numberKind(text string) Kind {
	re := compiled()
	switch {
	case re.float.MatchString(text):
		return Float
	case text[0] != '.' && re.integer.MatchString(text):
		return Int
	case re.timestamp.MatchString(text):
		return Timestamp
	}
	return Str
}

func parseBool(text string) bool {
	switch strings.ToLower(text) {
	case "yes", "true", "on":
		return true
	}
	return false
}

// parseInt reads what the integer pattern matched, as PyYAML's
// construct_yaml_int does. It is false for what that raises ValueError for,
// such as a lone 0x_.
func parseInt(text string) (*big.Int, bool) {
	digits := strings.ReplaceAll(text, "_", "")
	negative := strings.HasPrefix(digits, "-")
	digits = strings.TrimLeft(digits, "+-")
	n, ok := new(big.Int), true
	switch {
	case digits == "0":
	case strings.HasPrefix(digits, "0b"):
		n, ok = n.SetString(digits[2:], 2)
	case strings.HasPrefix(digits, "0x"):
		n, ok = n.SetString(digits[2:], 16)
	case strings.HasPrefix(digits, "0"):
		n, ok = n.SetString(digits, 8)
	case strings.Contains(digits, ":"):
		n, ok = sexagesimal(digits)
	default:
		n, ok = n.SetString(digits, 10)
	}
	if ok && negative {
		n.Neg(n)
	}
	return n, ok
}

// sexagesimal reads 12:30:45 as (12*60 + 30)*60 + 45.
func sexagesimal(digits string) (*big.Int, bool) {
	sum, sixty := new(big.Int), big.NewInt(60)
	for part := range strings.SplitSeq(digits, ":") {
		n, ok := new(big.Int).SetString(part, 10)
		if !ok {
			return nil, false
		}
		sum.Add(sum.Mul(sum, sixty), n)
	}
	return sum, true
}

// parseFloat reads what the float pattern matched, as construct_yaml_float.
func parseFloat(text string) float64 {
	digits := strings.ToLower(strings.ReplaceAll(text, "_", ""))
	sign := 1.0
	if strings.HasPrefix(digits, "-") {
		sign = -1
	}
	digits = strings.TrimLeft(digits, "+-")
	switch digits {
	case ".inf":
		return sign * math.Inf(1)
	case ".nan":
		return math.NaN()
	}
	sum := 0.0
	for part := range strings.SplitSeq(digits, ":") {
		// Out of range gives an infinity, as in Python.
		f, _ := strconv.ParseFloat(part, 64)
		sum = sum*60 + f
	}
	return sign * sum
}
