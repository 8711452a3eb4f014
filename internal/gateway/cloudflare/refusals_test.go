package cloudflare_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/gateway/cloudflare"
	"github.com/ezscale/platform/internal/gateway/cloudflare/cloudflaretest"
)

// refuses expects an assertion to be refused for a reason, and nothing of it to be told.
func (w *world) refuses(name, assertion string, want cloudflare.Reason) {
	w.t.Helper()
	before := w.count("verifications_total", string(want))
	id, err := w.Verify(w.t.Context(), assertion)
	var got cloudflare.Reason
	if !errors.As(err, &got) || got != want || !errors.Is(err, want) || !fault.Is(err, fault.Forbidden) || id != (cloudflare.Identity{}) {
		w.t.Errorf("%s: got %+v, %q (%v), want %q", name, id, string(got), err, string(want))
		return
	}
	if told := fmt.Sprintf("%v %+v %v", err, err, errors.Unwrap(err)); strings.Contains(told, email) || len(assertion) > 20 && strings.Contains(told, assertion[len(assertion)-20:]) {
		w.t.Errorf("%s: the error tells what was asserted: %s", name, told)
	}
	if n := w.count("verifications_total", string(want)); n != before+1 {
		w.t.Errorf("%s: counted %v", name, n-before)
	}
}

func TestRefusedClaims(t *testing.T) {
	t.Parallel()
	w := start(t, cloudflaretest.New(t, "acme"))
	user, program := w.team.User(ours, email, noon), w.team.Service(ours, "0123.access", noon)
	s := noon.Unix()
	type claims = cloudflaretest.Claims
	for name, c := range map[string]struct {
		from, change claims
		want         cloudflare.Reason
	}{
		"another application":    {user, claims{"aud": []string{others}}, cloudflare.Audience},
		"no audience":            {user, claims{"aud": nil}, cloudflare.Audience},
		"empty audience":         {user, claims{"aud": []string{}}, cloudflare.Audience},
		"audience in part":       {user, claims{"aud": ours[:63]}, cloudflare.Audience},
		"audience in capitals":   {user, claims{"aud": strings.ToUpper(ours)}, cloudflare.Audience},
		"audiences in a string":  {user, claims{"aud": ours + "," + second}, cloudflare.Audience},
		"audience of numbers":    {user, claims{"aud": []any{ours, 1}}, cloudflare.Malformed},
		"audience an object":     {user, claims{"aud": claims{"x": ours}}, cloudflare.Malformed},
		"another team":           {user, claims{"iss": "https://evil.cloudflareaccess.com"}, cloudflare.Issuer},
		"issuer with slash":      {user, claims{"iss": w.team.URL() + "/"}, cloudflare.Issuer},
		"issuer without https":   {user, claims{"iss": "acme.cloudflareaccess.com"}, cloudflare.Issuer},
		"issuer in capitals":     {user, claims{"iss": "https://ACME.cloudflareaccess.com"}, cloudflare.Issuer},
		"issuers":                {user, claims{"iss": []string{w.team.URL()}}, cloudflare.Malformed},
		"no issuer":              {user, claims{"iss": nil}, cloudflare.Issuer},
		"expired":                {user, claims{"iat": s - 3600, "exp": s - 60}, cloudflare.Expired},
		"long expired":           {user, claims{"iat": 1, "nbf": 1, "exp": 2}, cloudflare.Expired},
		"no expiry":              {user, claims{"exp": nil}, cloudflare.NoTimes},
		"expiry a text":          {user, claims{"exp": "1772370000"}, cloudflare.Malformed},
		"expiry in no year":      {user, claims{"exp": 1e17}, cloudflare.Malformed},
		"expiry endless":         {user, claims{"exp": json.Number("1e999")}, cloudflare.Malformed},
		"expiry below zero":      {user, claims{"exp": -5}, cloudflare.Malformed},
		"not yet":                {user, claims{"nbf": s + 61}, cloudflare.NotYet},
		"not begun":              {user, claims{"iat": s + 61}, cloudflare.NotYet},
		"not issued":             {user, claims{"iat": nil}, cloudflare.NoTimes},
		"ended before its start": {user, claims{"iat": s, "exp": s}, cloudflare.NoTimes},
		"global session":         {user, claims{"type": "org"}, cloudflare.NotApp},
		"no type":                {user, claims{"type": nil}, cloudflare.NotApp},
		"null email":             {user, claims{"email": json.RawMessage("null")}, cloudflare.NoIdentity},
		"no email":               {user, claims{"email": nil}, cloudflare.NoIdentity},
		"empty email":            {user, claims{"email": ""}, cloudflare.NoIdentity},
		"email without at":       {user, claims{"email": "ada"}, cloudflare.NoIdentity},
		"email with a line":      {user, claims{"email": "ada@example.com\nx"}, cloudflare.NoIdentity},
		"email that turns round": {user, claims{"email": "ada@example.com\u202e"}, cloudflare.NoIdentity},
		"email too long":         {user, claims{"email": strings.Repeat("a", 320) + "@b.c"}, cloudflare.NoIdentity},
		"emails":                 {user, claims{"email": []string{email}}, cloudflare.Malformed},
		"nobody's email":         {user, claims{"sub": ""}, cloudflare.NoIdentity},
		"null sub":               {user, claims{"sub": json.RawMessage("null")}, cloudflare.NoIdentity},
		"in another case":        {user, claims{"email": nil, "Email": email}, cloudflare.NoIdentity},
		"nobody":                 {program, claims{"common_name": nil}, cloudflare.NoIdentity},
		"program with a sub":     {program, claims{"sub": "x"}, cloudflare.NoIdentity},
		"program with an email":  {program, claims{"email": email}, cloudflare.NoIdentity},
		"program with a line":    {program, claims{"common_name": "a\nb"}, cloudflare.NoIdentity},
	} {
		w.refuses(name, w.team.Sign(c.from.With(c.change)), c.want)
	}
	if w.team.Requests() != 1 {
		t.Errorf("%d fetches", w.team.Requests())
	}
}

func TestRefusedPayloads(t *testing.T) {
	t.Parallel()
	w := start(t, cloudflaretest.New(t, "acme"))
	k := w.team.Current()
	header := `{"alg":"RS256","kid":"` + k.ID + `","typ":"JWT"}`
	good := `"iss":"` + w.team.URL() + `","aud":["` + ours + `"],"exp":1772370000,"iat":1772366400,"type":"app","email":"` + email + `","sub":"s"`
	w.passes(cloudflaretest.Encode(header, "{"+good+"}", k.RS256))
	for name, c := range map[string]struct {
		payload string
		want    cloudflare.Reason
	}{
		"a claim twice":        {`{` + good + `,"email":"eve@example.com"}`, cloudflare.Malformed},
		"issuer twice":         {`{"iss":"https://evil.cloudflareaccess.com",` + good + `}`, cloudflare.Malformed},
		"twice by an escape":   {`{` + good + `,"\u0065mail":"eve@example.com"}`, cloudflare.Malformed},
		"twice the same":       {`{` + good + `,"type":"app"}`, cloudflare.Malformed},
		"no object":            {`[]`, cloudflare.Malformed},
		"null":                 {`null`, cloudflare.Issuer},
		"no JSON":              {`iss=x`, cloudflare.Malformed},
		"cut":                  {`{` + good, cloudflare.Malformed},
		"something after":      {`{` + good + `} {}`, cloudflare.Malformed},
		"no UTF-8":             {`{` + good + `,"x":"` + "\xff" + `"}`, cloudflare.Malformed},
		"nested arrays":        {`{` + good + `,"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, ""},
		"unclosed arrays":      {`{` + good + `,"x":` + strings.Repeat("[", 11000), cloudflare.Malformed},
		"nested objects":       {`{` + good + `,"x":` + strings.Repeat(`{"a":`, 2000), cloudflare.Malformed},
		"an audience of depth": {strings.Replace(`{`+good+`}`, `["`+ours+`"]`, strings.Repeat("[", 5000)+strings.Repeat("]", 5000), 1), cloudflare.Malformed},
		"a number of length":   {`{` + good + `,"nbf":` + strings.Repeat("9", 9000) + `}`, cloudflare.Malformed},
	} {
		assertion := cloudflaretest.Encode(header, c.payload, k.RS256)
		if c.want == "" { // deep, but nobody looks into it
			w.passes(assertion)
			continue
		}
		w.refuses(name, assertion, c.want)
	}
}

// hmacSign is what an attacker does who hopes that the public key is taken for a secret.
func hmacSign(secret []byte) func(string) []byte {
	return func(input string) []byte {
		m := hmac.New(sha256.New, secret)
		m.Write([]byte(input))
		return m.Sum(nil)
	}
}

// No algorithm but RS256 is so much as tried: no key is asked for, since nothing was ever started.
func TestRefusedAlgorithms(t *testing.T) {
	t.Parallel()
	w := build(t, cloudflaretest.New(t, "acme"), nil)
	k := w.team.Current()
	pkix, err := x509.MarshalPKIXPublicKey(&k.Private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(cloudflaretest.JWK(k))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(w.team.User(ours, email, noon))
	if err != nil {
		t.Fatal(err)
	}
	none := func(string) []byte { return nil }
	for name, c := range map[string]struct {
		algorithm string
		sign      func(string) []byte
		want      cloudflare.Reason
	}{
		"none, signed":             {`"none"`, k.RS256, cloudflare.Algorithm},
		"none, unsigned":           {`"none"`, none, cloudflare.Malformed},
		"None":                     {`"None"`, k.RS256, cloudflare.Algorithm},
		"empty":                    {`""`, k.RS256, cloudflare.Algorithm},
		"null":                     {`null`, k.RS256, cloudflare.Algorithm},
		"a list":                   {`["RS256"]`, k.RS256, cloudflare.Malformed},
		"small":                    {`"rs256"`, k.RS256, cloudflare.Algorithm},
		"HS256 under the PEM":      {`"HS256"`, hmacSign(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix})), cloudflare.Algorithm},
		"HS256 under PKCS 1":       {`"HS256"`, hmacSign(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&k.Private.PublicKey)})), cloudflare.Algorithm},
		"HS256 under the DER":      {`"HS256"`, hmacSign(pkix), cloudflare.Algorithm},
		"HS256 under the JWK":      {`"HS256"`, hmacSign(text), cloudflare.Algorithm},
		"HS256 under the modulus":  {`"HS256"`, hmacSign(k.Private.N.Bytes()), cloudflare.Algorithm},
		"HS256 under nothing":      {`"HS256"`, hmacSign(nil), cloudflare.Algorithm},
		"ES256":                    {`"ES256"`, es256(t), cloudflare.Algorithm},
		"RS512":                    {`"RS512"`, rs512(t, k), cloudflare.Algorithm},
		"PS256":                    {`"PS256"`, ps256(t, k), cloudflare.Algorithm},
		"EdDSA":                    {`"EdDSA"`, k.RS256, cloudflare.Algorithm},
		"RSA-OAEP (an encryption)": {`"RSA-OAEP"`, k.RS256, cloudflare.Algorithm},
	} {
		w.refuses(name, cloudflaretest.Encode(`{"alg":`+c.algorithm+`,"kid":"`+k.ID+`","typ":"JWT"}`, string(payload), c.sign), c.want)
	}
	if w.team.Requests() != 0 {
		t.Errorf("%d fetches", w.team.Requests())
	}
}

func es256(t *testing.T) func(string) []byte {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return func(input string) []byte {
		digest := sha256.Sum256([]byte(input))
		r, s, err := ecdsa.Sign(rand.Reader, private, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
}

func rs512(t *testing.T, k cloudflaretest.Key) func(string) []byte {
	return func(input string) []byte {
		digest := sha512.Sum512([]byte(input))
		signature, err := rsa.SignPKCS1v15(nil, k.Private, crypto.SHA512, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
}

func ps256(t *testing.T, k cloudflaretest.Key) func(string) []byte {
	return func(input string) []byte {
		digest := sha256.Sum256([]byte(input))
		signature, err := rsa.SignPSS(rand.Reader, k.Private, crypto.SHA256, digest[:], nil)
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
}

func TestRefusedHeaders(t *testing.T) {
	t.Parallel()
	w := build(t, cloudflaretest.New(t, "acme"), nil)
	k := w.team.Current()
	eve := cloudflaretest.NewKey(t, 2048)
	brought, err := json.Marshal(cloudflaretest.JWK(eve))
	if err != nil {
		t.Fatal(err)
	}
	good := `"alg":"RS256","kid":"` + k.ID + `"`
	for name, c := range map[string]struct {
		header string
		want   cloudflare.Reason
	}{
		"no kid":           {`{"alg":"RS256","typ":"JWT"}`, cloudflare.NoKeyID},
		"empty kid":        {`{"alg":"RS256","kid":""}`, cloudflare.NoKeyID},
		"null kid":         {`{"alg":"RS256","kid":null}`, cloudflare.NoKeyID},
		"kid a number":     {`{"alg":"RS256","kid":7}`, cloudflare.Malformed},
		"kid too long":     {`{"alg":"RS256","kid":"` + strings.Repeat("a", 257) + `"}`, cloudflare.NoKeyID},
		"kid with a line":  {`{"alg":"RS256","kid":"a\nb"}`, cloudflare.NoKeyID},
		"kid twice":        {`{` + good + `,"kid":"x"}`, cloudflare.Malformed},
		"alg twice":        {`{"alg":"none",` + good + `}`, cloudflare.Malformed},
		"alg in capitals":  {`{"ALG":"RS256","kid":"` + k.ID + `"}`, cloudflare.Algorithm},
		"critical":         {`{` + good + `,"crit":["exp"],"exp":1}`, cloudflare.BadHeader},
		"critical b64":     {`{` + good + `,"crit":["b64"],"b64":true}`, cloudflare.BadHeader},
		"payload as it is": {`{` + good + `,"crit":["b64"],"b64":false}`, cloudflare.BadHeader},
		"b64 by the way":   {`{` + good + `,"b64":false}`, cloudflare.BadHeader},
		"critical nothing": {`{` + good + `,"crit":[]}`, cloudflare.BadHeader},
		"critical null":    {`{` + good + `,"crit":null}`, cloudflare.BadHeader},
		"a key of its own": {`{` + good + `,"jwk":` + string(brought) + `}`, cloudflare.BadHeader},
		"keys from afar":   {`{` + good + `,"jku":"https://evil.example/keys"}`, cloudflare.BadHeader},
		"a certificate":    {`{` + good + `,"x5c":["MII"]}`, cloudflare.BadHeader},
		"one from afar":    {`{` + good + `,"x5u":"https://evil.example/cert"}`, cloudflare.BadHeader},
		"access token":     {`{` + good + `,"typ":"at+jwt"}`, cloudflare.TokenType},
		"empty typ":        {`{` + good + `,"typ":""}`, cloudflare.TokenType},
		"too large":        {`{` + good + `,"x":"` + strings.Repeat("a", 2000) + `"}`, cloudflare.Malformed},
		"no JSON":          {`x`, cloudflare.Malformed},
		"null":             {`null`, cloudflare.Algorithm},
		"deep":             {`{` + good + `,"x":` + strings.Repeat("[", 1000), cloudflare.Malformed},
	} {
		w.refuses(name, cloudflaretest.Encode(c.header, `{}`, eve.RS256), c.want)
	}
	if w.team.Requests() != 0 {
		t.Errorf("%d fetches", w.team.Requests())
	}
}

func TestRefusedShapesAndSignatures(t *testing.T) {
	t.Parallel()
	w := start(t, cloudflaretest.New(t, "acme"))
	good := w.user()
	w.passes(good)
	parts := strings.Split(good, ".")
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	eve := base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(text), email, "eve@example.com", 1)))
	k, stranger := w.team.Current(), cloudflaretest.NewKey(t, 2048)
	other := strings.Split(w.team.Sign(w.team.User(ours, "eve@example.com", noon)), ".")
	for name, c := range map[string]struct {
		assertion string
		want      cloudflare.Reason
	}{
		"none":                     {"", cloudflare.Missing},
		"a word":                   {"x", cloudflare.Malformed},
		"dots":                     {"..", cloudflare.Malformed},
		"tampered payload":         {parts[0] + "." + eve + "." + parts[2], cloudflare.BadSignature},
		"stripped signature":       {parts[0] + "." + parts[1] + ".", cloudflare.Malformed},
		"stripped with its dot":    {parts[0] + "." + parts[1], cloudflare.Malformed},
		"another's signature":      {parts[0] + "." + parts[1] + "." + other[2], cloudflare.BadSignature},
		"cut signature":            {good[:len(good)-2], cloudflare.BadSignature},
		"of one byte":              {parts[0] + "." + parts[1] + ".AA", cloudflare.BadSignature},
		"of zeros":                 {parts[0] + "." + parts[1] + "." + strings.Repeat("A", 342), cloudflare.BadSignature},
		"by a stranger's key":      {w.team.SignWith(cloudflaretest.Key{ID: k.ID, Private: stranger.Private}, w.team.User(ours, email, noon)), cloudflare.BadSignature},
		"four parts":               {good + ".x", cloudflare.Malformed},
		"five parts, encrypted":    {parts[0] + ".a.b.c.d", cloudflare.Malformed},
		"padding":                  {good + "==", cloudflare.Malformed},
		"a space before":           {" " + good, cloudflare.Malformed},
		"a line after":             {good + "\n", cloudflare.Malformed},
		"a line within":            {parts[0] + ".\n" + parts[1] + "." + parts[2], cloudflare.Malformed},
		"plain base64":             {parts[0] + "." + parts[1] + "." + strings.Repeat("+/", 171), cloudflare.Malformed},
		"stray bits":               {good[:len(good)-1] + stray(good[len(good)-1]), cloudflare.Malformed},
		"JSON serialization":       {`{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`, cloudflare.Malformed},
		"too large by one":         {good + strings.Repeat("A", 16<<10+1-len(good)), cloudflare.TooLarge},
		"a megabyte":               {strings.Repeat("A", 1<<20), cloudflare.TooLarge},
		"large, yet not too large": {strings.Repeat(".", 16<<10), cloudflare.Malformed},
		"two in one header":        {good + "," + good, cloudflare.Malformed},
	} {
		w.refuses(name, c.assertion, c.want)
	}
	if w.team.Requests() != 1 {
		t.Errorf("%d fetches", w.team.Requests())
	}
	if logged := w.logs.String(); strings.Contains(logged, "eyJ") || strings.Contains(logged, email) {
		t.Errorf("an assertion is logged: %s", logged)
	}
}

// stray changes the bits of the last sign that no byte needs: 256 bytes leave four.
func stray(last byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, last)|1])
}

func TestExpiryComesWithTime(t *testing.T) {
	t.Parallel()
	w := start(t, cloudflaretest.New(t, "acme"))
	assertion := w.user()
	w.passes(assertion)
	w.clock.pass(time.Hour + time.Minute - time.Second)
	w.passes(assertion)
	w.clock.pass(time.Second)
	w.refuses("an hour and a minute later", assertion, cloudflare.Expired)
}
