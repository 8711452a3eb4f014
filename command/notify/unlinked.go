package notify

import "strings"

// joiner is U+2060, WORD JOINER: it is not seen, and no line is broken at it.
const joiner = "\u2060"

// Unlinked gives a name that somebody chose so that no mail client makes a link of it, of "evil.example" or of anything with
// a scheme: its dots, slashes, colons and at signs stand between joiners. It is read as before; companies may be called
// "booking.com". On both sides, since clients look for "www." as well as for ".com", and browsers skip a joiner in a host's
// name (UTS #46). Signs at the end of a word, as in "Ltd.", link nothing and stay as they are.
func Unlinked(name string) string {
	var out strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if i > 0 && i < len(runes)-1 && links(r) && runes[i-1] != ' ' && runes[i+1] != ' ' {
			out.WriteString(joiner + string(r) + joiner)
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}

// links tells what links are made with: "。", "．" and "｡" are dots in a host's name, too (UTS #46).
func links(r rune) bool { return strings.ContainsRune(".:/@。．｡", r) }
