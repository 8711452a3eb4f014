package check

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ezscale/platform/internal/fault"
)

var (
	localePattern = regexp.MustCompile(`^[a-z]{2,3}(-[A-Z]{2})?$`)
	phonePattern  = regexp.MustCompile(`^\+?[0-9][0-9 ()./-]{2,38}$`)
	taxIDPattern  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ./-]{2,39}$`)
)

// Line asks for a line as Text does, or nothing.
func Line(fields *fault.Fields, path, value string) {
	if value != "" {
		Text(fields, path, value)
	}
}

// Prose asks for a text of several lines, at most so many characters.
func Prose(fields *fault.Fields, path, value string, most int) {
	odd := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }
	switch {
	case strings.TrimSpace(value) == "":
		fields.Add(path, "is missing")
	case !utf8.ValidString(value) || strings.ContainsFunc(value, odd):
		fields.Add(path, "holds characters that cannot be printed")
	case utf8.RuneCountInString(value) > most:
		fields.Add(path, "is longer than %d characters", most)
	}
}

// Reason asks for a text that says why somebody does to others what they will ask about: more than a word.
func Reason(fields *fault.Fields, path, value string) {
	const least = 10 // characters: enough for "ticket 123"
	Text(fields, path, value)
	fields.Check(value == "" || utf8.RuneCountInString(value) >= least, path, "has less than %d characters", least)
}

// Phone asks for a telephone number, or nothing.
func Phone(fields *fault.Fields, path, value string) {
	fields.Check(value == "" || phonePattern.MatchString(value), path, "is not a telephone number such as +49 30 123456")
}

// TaxID asks for what could be a tax id somewhere, or nothing. The value is not said again.
func TaxID(fields *fault.Fields, path, value string) {
	fields.Check(value == "" || taxIDPattern.MatchString(value), path, "is not a tax id: 3 to 40 letters, digits, spaces, dots, slashes and hyphens")
}

// Locale asks for a language, and perhaps a country (BCP 47): "en", "pt-BR".
func Locale(fields *fault.Fields, path, value string) {
	fields.Check(localePattern.MatchString(value), path, "%q is not a language such as en or pt-BR", value)
}

// TimeZone asks for a name of the IANA time zone database: "Europe/Berlin".
func TimeZone(fields *fault.Fields, path, value string) {
	_, err := time.LoadLocation(value)
	fields.Check(err == nil && value != "" && value != "Local", path, "%q is not a time zone such as Europe/Berlin", value)
}

// countries are the codes of ISO 3166-1 alpha-2 that are assigned (2024).
const countries = ` AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
 CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE
 GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP
 KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF
 NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN
 SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA
 ZM ZW `

// Country asks for a country's code in capitals.
func Country(fields *fault.Fields, path, value string) {
	known := len(value) == 2 && slices.Contains(strings.Fields(countries), value)
	fields.Check(known, path, "%q is not a country's code such as DE (ISO 3166-1)", value)
}
