package password

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/secret"
)

const (
	// DefaultMinimum is of characters. NIST SP 800-63B-4 wants 15 of a password that stands alone and 8 of one beside a
	// second factor, OWASP ASVS 8 and better 15. We cannot know at its choice whether a second factor will stay, so
	// that 8 is too few for anybody; at 15 customers who are used to 8 write theirs down. 12 random letters are out of
	// reach of guessing against argon2id, and what is not random is what the lists and words are for. Staff always
	// have a second factor. Whoever wants NIST's 15 sets it.
	DefaultMinimum = 12

	leastMinimum = 8
	mostMinimum  = 64
	leastOwn     = 8  // characters that must be left without common words
	shortestWord = 3  // characters of a word about the person
	longestRun   = 3  // characters in a row (abc, 321, aaa) that are not a run yet
	mostWords    = 64 // about one person
	mostAbout    = 1 << 10
)

//go:embed common.txt
var common string

// Policy says which passwords are refused. It is asked when one is set, not at login.
//
// A password is guessable when, without all that an attacker tries first, fewer than eight characters of it are left.
// What is tried first: common passwords and words (common.txt), words about the person and the house, the same with
// 0 for o and the like, runs as 1234, abcd and aaaa, and repetition of a shorter text.
type Policy struct {
	minimum  int
	words    []string
	breached *Breached
}

// NewPolicy makes a policy. house are words about the company and its products; breached may be nil.
func NewPolicy(minimum int, breached *Breached, house ...string) (*Policy, error) {
	if minimum < leastMinimum || minimum > mostMinimum {
		return nil, fmt.Errorf("a minimum of %d characters: it is %d to %d", minimum, leastMinimum, mostMinimum)
	}
	words := wordsOf(house)
	for line := range strings.Lines(common) {
		if !strings.HasPrefix(line, "#") {
			words = append(words, strings.Fields(line)...)
		}
	}
	return &Policy{minimum: minimum, words: words, breached: breached}, nil
}

// Check says what is wrong with a new password, as a fault.Invalid, or nothing. about are e-mail address, name, company
// and the like of the person. Any other error means that the list of breached passwords cannot be read.
func (p *Policy) Check(password secret.Text, about ...string) error {
	text, err := prepare(password)
	switch {
	case password.IsZero():
		return p.tooShort()
	case err != nil:
		return &fault.Error{Kind: fault.Invalid, Code: "password_unusable", Message: err.Error(), Cause: err}
	case utf8.RuneCount(text) < p.minimum:
		return p.tooShort()
	}
	if own := p.own(string(text), wordsOf(about)); own < leastOwn {
		return fault.New(fault.Invalid, "password_guessable",
			"the password is easy to guess: without common words, rows, repetition and words about you %d characters are left, at least %d should be", own, leastOwn)
	}
	if p.breached == nil {
		return nil
	}
	count, err := p.breached.Count(password)
	if err == nil && count > 0 {
		return fault.New(fault.Invalid, "password_breached",
			"the password is known from data stolen elsewhere (seen %d times), so that it is tried first; take one that you have nowhere else", count)
	}
	return err
}

func (p *Policy) tooShort() error {
	return fault.New(fault.Invalid, "password_too_short", "the password has fewer than %d characters", p.minimum)
}

// own counts the characters that are nobody's words.
func (p *Policy) own(text string, about []string) int {
	text = strings.ToLower(text)
	least := utf8.RuneCountInString(text)
	for _, spelling := range []string{text, plain(text, "1i"), plain(text, "1l")} {
		least = min(least, left(spelling, p.words, about))
		if unit := period(spelling); len(unit) < len(spelling) {
			least = min(least, left(unit, p.words, about))
		}
	}
	return least
}

// plain reads a text as it was before letters were exchanged for what looks like them.
func plain(text, one string) string {
	return strings.NewReplacer(one[:1], one[1:], "0", "o", "3", "e", "4", "a", "@", "a", "5", "s", "$", "s", "7", "t", "!", "i", "8", "b", "9", "g").Replace(text)
}

// left counts the characters of a text that lie in no word and in no run. Words may lie over each other.
func left(text string, lists ...[]string) int {
	covered := make([]bool, len(text))
	for _, word := range slices.Concat(lists...) {
		for from := 0; ; from++ {
			at := strings.Index(text[from:], word)
			if at < 0 {
				break
			}
			from += at
			cover(covered[from : from+len(word)])
		}
	}
	count := 0
	for at := 0; at < len(text); {
		if length, characters := run(text[at:]); characters > longestRun {
			cover(covered[at : at+length])
		}
		if !covered[at] {
			count++
		}
		_, size := utf8.DecodeRuneInString(text[at:])
		at += size
	}
	return count
}

func cover(covered []bool) {
	for i := range covered {
		covered[i] = true
	}
}

// run is how far the characters from the first on go up by one, down by one, or stay, in bytes and in characters.
func run(text string) (length, characters int) {
	last, length := utf8.DecodeRuneInString(text)
	var step rune
	for characters = 1; length < len(text); characters++ {
		r, size := utf8.DecodeRuneInString(text[length:])
		if characters == 1 {
			step = r - last
		}
		if step < -1 || step > 1 || r-last != step {
			break
		}
		last, length = r, length+size
	}
	return length, characters
}

// period is the shortest text of which the whole is a repetition, the last time perhaps not to its end.
func period(text string) string {
	runes := []rune(text)
	for n := 1; n <= len(runes)/2; n++ {
		if slices.Equal(runes[n:], runes[:len(runes)-n]) {
			return string(runes[:n])
		}
	}
	return text
}

// wordsOf are the words of texts like an e-mail address or a company's name: anna1990@example.com has anna1990, anna,
// example and com.
func wordsOf(texts []string) []string {
	var words []string
	for _, text := range texts {
		text = strings.ToLower(norm.NFC.String(text[:min(len(text), mostAbout)]))
		found := append(strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }),
			strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) })...)
		for _, word := range found {
			if utf8.RuneCountInString(word) >= shortestWord && len(words) < mostWords {
				words = append(words, word)
			}
		}
	}
	return words
}
