package query

import (
	"fmt"

	"github.com/ezscale/platform/internal/money"
)

// Money is an amount as the API shows it: a decimal string at the currency's exponent, never a float.
type Money struct {
	Amount   string `json:"amount" doc:"Decimal, with exactly as many places as the currency has" example:"12.34"`
	Currency string `json:"currency" doc:"ISO 4217" example:"USD"`
}

// MoneyOf shows stored minor units.
func MoneyOf(minor int64, currency string) (Money, error) {
	c, err := money.ParseCurrency(currency)
	if err != nil {
		return Money{}, fmt.Errorf("stored currency %q: %w", currency, err)
	}
	return Money{Amount: money.New(minor, c).Decimal(), Currency: c.Code()}, nil
}

// PriceOf is what bytes cost at a price per unitBytes: rounded half up once, as an invoice line would be.
func PriceOf(bytes, unitBytes int64, unitPrice, currency string) (Money, error) {
	c, err := money.ParseCurrency(currency)
	if err != nil {
		return Money{}, fmt.Errorf("stored currency %q: %w", currency, err)
	}
	price, err := money.ParsePrice(unitPrice)
	if err != nil {
		return Money{}, fmt.Errorf("stored price %q: %w", unitPrice, err)
	}
	amount, err := money.Rate(bytes, unitBytes, price, c)
	if err != nil {
		return Money{}, fmt.Errorf("price of overage: %w", err)
	}
	return Money{Amount: amount.Decimal(), Currency: c.Code()}, nil
}
