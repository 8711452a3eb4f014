package password_test

import (
	"bufio"
	"errors"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/password"
	"github.com/ezscale/platform/internal/secret"
)

func normal(text string) []byte { return norm.NFC.Bytes([]byte(text)) }

func newPolicy(t testing.TB, list *password.Breached) *password.Policy {
	t.Helper()
	p, err := password.NewPolicy(password.DefaultMinimum, list, "ezscale", "Nordlicht Hosting GmbH")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// codeOf is the fault's code, or nothing.
func codeOf(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.Invalid {
		t.Fatalf("not a fault: %v", err)
	}
	return f.Code
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	p := newPolicy(t, breached(t, list("\r\n", "blau-Tasse-1744", "x")))
	about := []string{"anna.schmidt1987@example-mail.com", "Anna Schmidt-Möller", "Bäckerei Kröger"}
	cases := map[string]string{ // password: code
		"correct horse battery staple": "", "Tr0ub4dor&3-and-more": "", "wild-goats-7-climb": "", "ходит дурачок по лесу": "", strings.Repeat("🙂🙃", 3) + "abz😀😃😄😅": "",
		"k8#Vq!2zL9@w": "", "293847561029": "", "Anna-hat-7-blaue-Ziegen": "", "密码是一只会飞的蓝色的猫": "",

		"": "password_too_short", "k8#Vq!2zL9@": "password_too_short", "🙂🙃🙂🙃🙂🙃🙂🙃🙂🙃😀": "password_too_short",
		strings.Repeat("aB3$", 65): "password_unusable", "k8#Vq!2zL9@w\xff": "password_unusable",

		"passwordpassword": "password_guessable", "Password1234!": "password_guessable", "P@ssw0rd2026!": "password_guessable", "Passwort-1234": "password_guessable",
		"Summer2026!!": "password_guessable", "qwertyuiop12": "password_guessable", "1qaz2wsx3edc": "password_guessable", "iloveyou!!!!": "password_guessable",
		"123456789012": "password_guessable", "aaaaaaaaaaaa": "password_guessable", "abcdefghijkl": "password_guessable", "zyxwvutsrqponm": "password_guessable",
		"121212121212": "password_guessable", "x7!x7!x7!x7!": "password_guessable", "k8#Vq!k8#Vq!k8#Vq!": "password_guessable", "111122223333": "password_guessable",
		"ADMIN-admin-Admin": "password_guessable", "m0nk3y-dr4g0n": "password_guessable", "l3tm31n!!2025": "password_guessable", "WeLcOmE-Welcome1": "password_guessable",

		"ezscale-2026!": "password_guessable", "Nordlicht2026": "password_guessable", "Nordl1chtH0sting!": "password_guessable",
		"annaschmidt87": "password_guessable", "Schmidt.1987!": "password_guessable", "anna.schmidt1987": "password_guessable", "example-mail1": "password_guessable",
		"möller-anna-1": "password_guessable", "MO\u0308LLER-anna-1": "password_guessable", "Kröger-Bäckerei": "password_guessable",

		"blau-Tasse-1744": "password_breached",
	}
	for text, want := range cases {
		err := p.Check(secret.New(text), about...)
		if got := codeOf(t, err); got != want {
			t.Errorf("%.40q: %q, want %q (%v)", text, got, want, err)
		}
		if err != nil && len(text) > 3 && strings.Contains(err.Error(), text) {
			t.Errorf("the message shows %q", text)
		}
	}
}

// Words about one person are no words about another.
func TestAboutIsAboutOne(t *testing.T) {
	t.Parallel()
	p := newPolicy(t, nil)
	for text, want := range map[string]string{"hildegunst-1744": "password_guessable", "mythenmetz-1744": ""} {
		if got := codeOf(t, p.Check(secret.New(text), "hildegunst@example.com", "", "  ", strings.Repeat("x ", 10_000))); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestNewPolicyBounds(t *testing.T) {
	t.Parallel()
	for minimum, want := range map[int]bool{-1: false, 7: false, 8: true, 12: true, 15: true, 64: true, 65: false} {
		if _, err := password.NewPolicy(minimum, nil); (err == nil) != want {
			t.Errorf("%d: %v", minimum, err)
		}
	}
	p, err := password.NewPolicy(8, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := codeOf(t, p.Check(secret.New("k8#Vq!2z"))); got != "" {
		t.Errorf("eight characters of one's own: %s", got)
	}
}

// A list that cannot be read is no pass.
func TestUnreadableListFailsClosed(t *testing.T) {
	t.Parallel()
	good := list("\r\n", "a", "b", "c")
	file := &failing{content: good}
	b, err := password.NewBreached(file, int64(len(good)))
	if err != nil {
		t.Fatal(err)
	}
	file.broken = true
	if err := newPolicy(t, b).Check(secret.New("wild-goats-7-climb")); !errors.Is(err, os.ErrClosed) || fault.Is(err, fault.Invalid) {
		t.Errorf("got %v", err)
	}
}

type failing struct {
	content []byte
	broken  bool
}

func (f *failing) ReadAt(b []byte, at int64) (int, error) {
	if f.broken {
		return 0, os.ErrClosed
	}
	return strings.NewReader(string(f.content)).ReadAt(b, at)
}

// What is drawn by chance is taken: the policy does not refuse whom it should praise.
func TestRandomPasswordsAreTaken(t *testing.T) {
	t.Parallel()
	p := newPolicy(t, nil)
	refused, drawn := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("bcdfghjkmnpqrstvwxzBCDFGHJKMNPQRSTVWXZ23456789#%&/()=")), 16, 24, -1).Draw(t, "text")
		if drawn++; p.Check(secret.New(text)) != nil {
			refused++ // rapid likes repetition
		}
	})
	if refused > drawn/3 {
		t.Errorf("%d of %d are refused", refused, drawn)
	}
}

// A known word, in whatever case, with a few characters around it, is refused.
func TestCommonWordsAreRefused(t *testing.T) {
	t.Parallel()
	p := newPolicy(t, nil)
	words := commonWords(t)
	around := rapid.StringOfN(rapid.RuneFrom([]rune("0123456789!?.-_")), 0, 3, -1)
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.SampledFrom(words).Draw(t, "a"), rapid.SampledFrom(words).Draw(t, "b")
		text := around.Draw(t, "before") + a + strings.ToUpper(b) + around.Draw(t, "after")
		if utf8.RuneCountInString(text) < 12 {
			text += a + b
		}
		var f *fault.Error
		if err := p.Check(secret.New(text)); !errors.As(err, &f) || f.Code != "password_guessable" {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

func commonWords(t *testing.T) []string {
	t.Helper()
	file, err := os.Open("common.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var words []string
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		if !strings.HasPrefix(scanner.Text(), "#") {
			words = append(words, strings.Fields(scanner.Text())...)
		}
	}
	return words
}

func TestCommonWordsAreInOrder(t *testing.T) {
	t.Parallel()
	words := commonWords(t)
	if len(words) < 500 {
		t.Errorf("only %d words", len(words))
	}
	seen := map[string]bool{}
	for _, word := range words {
		if utf8.RuneCountInString(word) < 4 || strings.ToLower(word) != word || !norm.NFC.IsNormalString(word) || seen[word] {
			t.Errorf("%q is short, not in lower case, not in form C, or there twice", word)
		}
		seen[word] = true
	}
}

// No text makes the policy panic, and none is taken that is too short or long.
func FuzzPolicy(f *testing.F) {
	f.Add("k8#Vq!2zL9@w", "anna@example.com")
	f.Add("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "\xff")
	f.Add("İİİİİİİİİİİİ", "ß")
	p := newPolicy(f, nil)
	f.Fuzz(func(t *testing.T, text, about string) {
		characters := utf8.RuneCount(normal(text))
		if err := p.Check(secret.New(text), about); err == nil && (characters < 12 || characters > 256) {
			t.Fatalf("%q is taken", text)
		}
	})
}

func BenchmarkPolicy(b *testing.B) {
	p := newPolicy(b, nil)
	for b.Loop() {
		if err := p.Check(secret.New("correct horse battery staple"), "anna.schmidt@example.com", "Anna Schmidt"); err != nil {
			b.Fatal(err)
		}
	}
}
