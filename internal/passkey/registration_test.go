package passkey_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/passkey"
	"github.com/ezscale/platform/internal/passkey/passkeytest"
)

func TestRegistrationOptions(t *testing.T) {
	t.Parallel()
	s := newSite(t, customers, customerOrigin)
	ada := someone("Ada")
	has := s.register(t, ada, &passkeytest.Authenticator{})
	sent, kept, err := s.BeginRegistration(ada, s.of(ada.Handle))
	if err != nil {
		t.Fatal(err)
	}
	var o struct {
		RP        struct{ ID, Name string }
		User      struct{ ID, Name, DisplayName string }
		Challenge string
		Params    []struct {
			Type string
			Alg  int
		} `json:"pubKeyCredParams"`
		Timeout   int
		Selection struct {
			ResidentKey        string
			RequireResidentKey bool
			UserVerification   string
		} `json:"authenticatorSelection"`
		Attestation string
		Excluded    []struct {
			ID         string
			Transports []string
		} `json:"excludeCredentials"`
	}
	if err := json.Unmarshal(sent, &o); err != nil {
		t.Fatal(err)
	}
	if o.RP.ID != customers || o.RP.Name != "Example" || o.User.Name != "Ada@example.com" || o.User.DisplayName != "Ada" || len(o.User.ID) != 43 {
		t.Errorf("parties: %+v %+v", o.RP, o.User)
	}
	if o.Selection.ResidentKey != "required" || !o.Selection.RequireResidentKey || o.Selection.UserVerification != "required" || o.Attestation != "none" {
		t.Errorf("asked for: %+v, attestation %q", o.Selection, o.Attestation)
	}
	if len(o.Params) != 3 || o.Params[0].Alg != -7 || len(o.Challenge) != 43 || o.Timeout != 300_000 {
		t.Errorf("algorithms %v, challenge %q, timeout %d", o.Params, o.Challenge, o.Timeout)
	}
	if len(o.Excluded) != 1 || !slices.Equal(o.Excluded[0].Transports, has.Transports) {
		t.Errorf("excluded: %v", o.Excluded)
	}
	again, keptAgain, _ := s.BeginRegistration(ada, nil)
	if bytes.Equal(kept, keptAgain) || bytes.Equal(sent, again) {
		t.Error("two ceremonies have one challenge")
	}
}

func TestRegistration(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		algorithm passkeytest.Algorithm
		synced    bool
		twists    []passkeytest.Twist
		format    string
	}{
		"ES256, in a device":     {passkeytest.ES256, false, nil, "none"},
		"ES256, synced":          {passkeytest.ES256, true, nil, "none"},
		"EdDSA":                  {passkeytest.EdDSA, false, nil, "none"},
		"RS256":                  {passkeytest.RS256, false, nil, "none"},
		"signed by itself":       {passkeytest.ES256, false, []passkeytest.Twist{passkeytest.Packed()}, "packed"},
		"EdDSA, by itself":       {passkeytest.EdDSA, false, []passkeytest.Twist{passkeytest.Packed()}, "packed"},
		"with credProtect":       {passkeytest.ES256, false, []passkeytest.Twist{passkeytest.Protected()}, "none"},
		"not yet synced":         {passkeytest.ES256, true, []passkeytest.Twist{passkeytest.Backup(true, false)}, "none"},
		"counts from the middle": {passkeytest.ES256, false, []passkeytest.Twist{passkeytest.Counter(70)}, "none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, customers, customerOrigin)
			a := &passkeytest.Authenticator{Algorithm: c.algorithm, Synced: c.synced, AAGUID: [16]byte{1, 2, 3}}
			ada := someone("Ada")
			made := s.register(t, ada, a, c.twists...)
			if len(made.ID) != 32 || len(made.PublicKey) == 0 || made.AAGUID != [16]byte{1, 2, 3} || made.AttestationFormat != c.format {
				t.Errorf("made %+v", made)
			}
			if made.BackupEligible != c.synced || !slices.Equal(made.Transports, []string{"internal", "hybrid"}) {
				t.Errorf("BE %v, transports %v", made.BackupEligible, made.Transports)
			}
			for range 2 {
				if result, err := s.login(t, a); err != nil || result.Handle != ada.Handle || !bytes.Equal(result.Credential.ID, made.ID) {
					t.Fatalf("login: %+v, %v", result, err)
				}
				if result, err := s.prove(t, ada.Handle, a); err != nil || result.Handle != ada.Handle {
					t.Fatalf("assertion: %+v, %v", result, err)
				}
			}
		})
	}
}

func TestRegistrationRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t, customers, customerOrigin)
	large := slices.Concat([]byte{0xa4, 0x01, 0x03, 0x03, 0x39, 0x01, 0x00, 0x20, 0x59, 0x04, 0x00}, bytes.Repeat([]byte{0xff}, 1024), // RSA, 8192 bits
		[]byte{0x21, 0x43, 0x01, 0x00, 0x01})
	es256 := []byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20}
	offCurve := slices.Concat(es256, make([]byte, 31), []byte{1, 0x22, 0x58, 0x20}, make([]byte, 32))
	for name, c := range map[string]struct {
		twist passkeytest.Twist
		want  error
	}{
		"UV is 0":                     {passkeytest.Unverified(), passkey.ErrUserVerification},
		"UP is 0":                     {passkeytest.Absent(), passkey.ErrVerification},
		"BS without BE":               {passkeytest.Backup(false, true), passkey.ErrVerification},
		"another challenge":           {passkeytest.Challenge(make([]byte, 32)), passkey.ErrVerification},
		"no challenge":                {passkeytest.Challenge(nil), passkey.ErrVerification},
		"a login's type":              {passkeytest.Type("webauthn.get"), passkey.ErrVerification},
		"another relying party":       {passkeytest.RPID(staff), passkey.ErrOrigin},
		"a parent":                    {passkeytest.RPID("example"), passkey.ErrOrigin},
		"in a frame":                  {passkeytest.CrossOrigin(""), passkey.ErrOrigin},
		"in a frame of somebody":      {passkeytest.CrossOrigin("https://evil.example"), passkey.ErrOrigin},
		"in a frame of ours":          {passkeytest.CrossOrigin(customerOrigin), passkey.ErrOrigin},
		"an id that was not signed":   {passkeytest.ID([]byte("another credential")), passkey.ErrVerification},
		"a certificate":               {passkeytest.Certified(), passkey.ErrVerification},
		"packed with nothing":         {passkeytest.Format("android-key"), passkey.ErrVerification},
		"a format of U2F":             {passkeytest.Format("fido-u2f"), passkey.ErrVerification},
		"a TPM's format":              {passkeytest.Format("tpm"), passkey.ErrVerification},
		"no format":                   {passkeytest.Format(""), passkey.ErrVerification},
		"signed by itself, wrongly":   {func(a *passkeytest.Answer) { passkeytest.Packed()(a); passkeytest.BadSignature()(a) }, passkey.ErrVerification},
		"a key that is no key":        {passkeytest.PublicKey([]byte{0xa2, 0x01, 0x02, 0x03, 0x26}), passkey.ErrVerification},
		"a key off its curve":         {passkeytest.PublicKey(offCurve), passkey.ErrVerification},
		"a key of another kind":       {passkeytest.PublicKey([]byte{0xa2, 0x01, 0x02, 0x03, 0x38, 0x22}), passkey.ErrVerification},
		"a key too large":             {passkeytest.PublicKey(large), passkey.ErrVerification},
		"a key that is no map":        {passkeytest.PublicKey([]byte{0x01}), passkey.ErrVerification},
		"a key that is nothing":       {passkeytest.PublicKey([]byte{}), passkey.ErrMalformed},
		"a key of half a map":         {passkeytest.PublicKey([]byte{0xa2, 0x01}), passkey.ErrMalformed},
		"a key with something behind": {passkeytest.PublicKey([]byte{0xa0, 0xa0}), passkey.ErrMalformed},
	} {
		ada := someone("Ada")
		options, ceremony, err := s.BeginRegistration(ada, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.FinishRegistration(ada.Handle, ceremony, must((&passkeytest.Authenticator{}).Create(options, s.origin, c.twist))(t))
		refused(t, name, err, c.want)
		if name == "a certificate" && !strings.Contains(err.Error(), "nobody asked for") {
			t.Errorf("a certificate came as far as its parser: %v", err)
		}
	}
}

func TestRegistrationIsBound(t *testing.T) {
	t.Parallel()
	s, other := newSite(t, customers, customerOrigin), newSite(t, staff, staffOrigin)
	ada, eve := someone("Ada"), someone("Eve")
	a := &passkeytest.Authenticator{}
	s.register(t, ada, a)
	options, ceremony, _ := s.BeginRegistration(eve, nil)
	response := must(a.Create(options, s.origin))(t)

	_, err := s.FinishRegistration(ada.Handle, ceremony, response)
	refused(t, "of another person", err, passkey.ErrCeremony)
	_, err = other.FinishRegistration(eve.Handle, ceremony, response)
	refused(t, "at another relying party", err, passkey.ErrCeremony)
	_, loginCeremony, _ := s.BeginLogin()
	_, err = s.FinishRegistration(eve.Handle, loginCeremony, response)
	refused(t, "begun as a login", err, passkey.ErrCeremony)
	_, assertionCeremony, _ := s.BeginAssertion(ada.Handle, s.of(ada.Handle))
	_, err = s.FinishRegistration(ada.Handle, assertionCeremony, response)
	refused(t, "begun as an assertion", err, passkey.ErrCeremony)
	_, second, _ := s.BeginRegistration(eve, nil)
	_, err = s.FinishRegistration(eve.Handle, second, response)
	refused(t, "the answer to another registration", err, passkey.ErrVerification)

	s.now = s.now.Add(passkey.Lifetime)
	_, err = s.FinishRegistration(eve.Handle, ceremony, response)
	refused(t, "after its end", err, passkey.ErrCeremony)
	s.now = s.now.Add(-1)
	if _, err = s.FinishRegistration(eve.Handle, ceremony, response); err != nil {
		t.Errorf("just before its end: %v", err)
	}
}

func TestSeveralPasskeys(t *testing.T) {
	t.Parallel()
	s := newSite(t, customers, customerOrigin)
	ada := someone("Ada")
	phone, key := &passkeytest.Authenticator{Synced: true}, &passkeytest.Authenticator{Algorithm: passkeytest.EdDSA}
	s.register(t, ada, phone)
	s.register(t, ada, key)
	options, _, _ := s.BeginRegistration(ada, s.of(ada.Handle))
	if _, err := phone.Create(options, s.origin); !errors.Is(err, passkeytest.ErrExcluded) {
		t.Errorf("a second one in the same place: %v", err)
	}
	for _, a := range []*passkeytest.Authenticator{phone, key, phone} {
		if result, err := s.login(t, a); err != nil || result.Handle != ada.Handle {
			t.Errorf("login: %v", err)
		}
		if _, err := s.prove(t, ada.Handle, a); err != nil {
			t.Errorf("assertion: %v", err)
		}
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	s := newSite(t, customers, customerOrigin)
	ada := someone("Ada")
	many := make([]passkey.Credential, passkey.MaxCredentials+1)
	for i := range many {
		many[i].ID = bytes.Repeat([]byte{byte(i)}, 1023)
	}
	if _, _, err := s.BeginRegistration(ada, many[1:]); !errors.Is(err, passkey.ErrTooMany) || passkey.Refused(err) {
		t.Errorf("one more: %v", err)
	}
	if _, _, err := s.BeginRegistration(ada, many[2:]); err != nil {
		t.Errorf("the last: %v", err)
	}
	if _, _, err := s.BeginAssertion(ada.Handle, many); !errors.Is(err, passkey.ErrTooMany) {
		t.Errorf("an assertion of too many: %v", err)
	}
	if _, _, err := s.BeginAssertion(ada.Handle, nil); !errors.Is(err, passkey.ErrNone) {
		t.Errorf("an assertion of none: %v", err)
	}
	_, ceremony, err := s.BeginAssertion(ada.Handle, many[1:])
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.FinishAssertion(ada.Handle, ceremony, bytes.Repeat([]byte{' '}, passkey.MaxResponse+1), s.find)
	refused(t, "an answer too large", err, passkey.ErrMalformed)
	if !strings.Contains(err.Error(), "65537 bytes") {
		t.Errorf("not for its size: %v", err)
	}
	for _, p := range []passkey.Person{{Name: "Ada"}, {Handle: ada.Handle}, {Handle: ada.Handle, Name: "\n"}} {
		if _, _, err := s.BeginRegistration(p, nil); err == nil {
			t.Errorf("%+v was let register", p)
		}
	}
}

func TestNamesAreCut(t *testing.T) {
	t.Parallel()
	s := newSite(t, customers, customerOrigin)
	options, _, err := s.BeginRegistration(passkey.Person{Handle: passkey.NewHandle(), Name: "a\x00\u202e" + strings.Repeat("é", 100)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var o struct {
		User struct{ Name, DisplayName string }
	}
	if err := json.Unmarshal(options, &o); err != nil {
		t.Fatal(err)
	}
	if want := "a" + strings.Repeat("é", 31); o.User.Name != want || o.User.DisplayName != want {
		t.Errorf("%q, %q", o.User.Name, o.User.DisplayName)
	}
}

func TestTransportsAreOnlyThoseKnown(t *testing.T) {
	t.Parallel()
	s := newSite(t, customers, customerOrigin)
	got := s.register(t, someone("Ada"), &passkeytest.Authenticator{},
		passkeytest.Transports("usb", "usb", "cable", strings.Repeat("x", 2000), "smart-card", "<script>"))
	if want := []string{"usb", "hybrid", "smart-card"}; !slices.Equal(got.Transports, want) {
		t.Errorf("got %q, want %q", got.Transports, want)
	}
	if none := s.register(t, someone("Eve"), &passkeytest.Authenticator{}, passkeytest.Transports()); none.Transports != nil {
		t.Errorf("got %q", none.Transports)
	}
}

func TestProviderName(t *testing.T) {
	t.Parallel()
	proton := [16]byte([]byte("ProtonPassProton"))
	if got := passkey.ProviderName(proton); got != "Proton Pass" {
		t.Errorf("got %q", got)
	}
	if got := passkey.ProviderName([16]byte{}); got != "" {
		t.Errorf("zero is %q", got)
	}
}

func TestHandleOf(t *testing.T) {
	t.Parallel()
	h := passkey.NewHandle()
	if got, err := passkey.HandleOf(h[:]); err != nil || got != h || h == passkey.NewHandle() {
		t.Errorf("got %x, %v", got, err)
	}
	for _, wrong := range [][]byte{nil, h[:31], append(h[:], 0)} {
		if _, err := passkey.HandleOf(wrong); err == nil {
			t.Errorf("%d bytes are a handle", len(wrong))
		}
	}
}

func TestProviderNamesOfAuthenticators(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"fbfc3007-154e-4ecc-8c0b-6e020557d7bd": "iCloud Keychain", "ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4": "Google Password Manager",
		"08987058-cadc-4b81-b6e1-30de50dcbe96": "Windows Hello", "adce0002-35bc-c60a-648b-0b25f1f05503": "Chrome on Mac",
		"bada5566-a7aa-401f-bd96-45619a55120d": "1Password", "d548826e-79b4-db40-a3d8-11116f7e8349": "Bitwarden",
		"531126d6-e717-415c-9320-3d9aa6981239": "Dashlane", "53414d53-554e-4700-0000-000000000000": "Samsung Pass",
		"0ea242b4-43c4-4a1b-8b17-dd6d0b6baec6": "Keeper", "b84e4048-15dc-4dd0-8640-f4f60813c8af": "NordPass",
	} {
		if got := passkey.ProviderName(uuid.MustParse(text)); got != want {
			t.Errorf("%s is %q, want %q", text, got, want)
		}
	}
}
