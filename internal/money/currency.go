package money

import "fmt"

// Currency is an ISO 4217 code that is in use, with the number of decimal places of its minor unit. The zero
// value is no currency.
type Currency struct {
	code     string
	exponent uint8
}

// ParseCurrency takes a code in capitals: "USD". Codes without a minor unit (gold, testing, none) are refused.
func ParseCurrency(code string) (Currency, error) {
	if len(code) == 3 {
		for exponent, codes := range [...]string{0: exponent0, 2: exponent2, 3: exponent3, 4: exponent4} {
			for ; len(codes) >= 3; codes = codes[min(4, len(codes)):] {
				if codes[:3] == code {
					return Currency{code: code, exponent: uint8(exponent)}, nil
				}
			}
		}
	}
	return Currency{}, fmt.Errorf("%w: %q", ErrCurrency, code)
}

// Code is the ISO 4217 code, "" for the zero value.
func (c Currency) Code() string { return c.code }

// Exponent is the number of decimal places: 2 for USD, 0 for JPY, 3 for KWD.
func (c Currency) Exponent() int { return int(c.exponent) }

func (c Currency) String() string { return c.code }

// The currencies and fund codes of ISO 4217 list one in use at the start of 2026, by their minor unit's exponent.
const (
	exponent0 = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
	exponent2 = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF " +
		"CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD " +
		"HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT " +
		"MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR " +
		"SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU " +
		"UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG"
	exponent3 = "BHD IQD JOD KWD LYD OMR TND"
	exponent4 = "CLF UYW"
)
