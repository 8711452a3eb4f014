package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ezscale/platform/internal/devmail"
	"github.com/ezscale/platform/metering/simulate"
)

// What testdata/company.yaml says of plan "small", and the services on it.
const (
	smallQuota    = 20_000_000
	smallUnit     = 1_000_000
	smallUnitCent = 1
)

func newMailbox(t *testing.T) *devmail.Mailbox {
	t.Helper()
	mailbox := devmail.New(devmail.Config{}, time.Now, slog.New(slog.DiscardHandler))
	if err := mailbox.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mailbox.Stop(context.Background()) })
	return mailbox
}

// overQuota are the services of the plan that the truth puts above its quota.
func overQuota(truth simulate.Truth) map[string]simulate.ServiceTruth {
	over := map[string]simulate.ServiceTruth{}
	for _, s := range truth.Services {
		if (s.Service == "vps-1" || s.Service == "game-1") && s.BytesInL2+s.BytesOutL2 > smallQuota {
			over[s.Service] = s
		}
	}
	return over
}

// awaitAlerts wants each threshold once, in the list, in the customer's mail and in the staff's channel.
func (in *installation) awaitAlerts(t *testing.T, truth simulate.Truth) {
	t.Helper()
	for service := range overQuota(truth) {
		eventually(t, time.Minute, "alerts of "+service, func() error {
			var alerts struct{ Items []struct{ Threshold int } }
			if err := in.api.get("/api/v1/services/"+service+"/alerts", &alerts); err != nil {
				return err
			}
			var thresholds []int
			for _, a := range alerts.Items {
				thresholds = append(thresholds, a.Threshold)
			}
			slices.Sort(thresholds)
			if !slices.Equal(thresholds, []int{75, 90, 100}) {
				return fmt.Errorf("thresholds %v", thresholds)
			}
			for _, channel := range []string{"mail", "discord"} {
				for _, threshold := range thresholds {
					if n := in.messages(channel, fmt.Sprintf("%s: %d %%", service, threshold)); n != 1 {
						return fmt.Errorf("%d messages by %s about %d %%", n, channel, threshold)
					}
				}
			}
			return nil
		})
	}
}

func (in *installation) messages(channel, subject string) int {
	n := 0
	for _, m := range in.mailbox.List() {
		if m.Channel == channel && strings.HasPrefix(m.Subject, subject) {
			n++
		}
	}
	return n
}

type invoiceAnswer struct {
	Kind, Status, Number string
	Service              struct{ Name string }
	Total                struct{ Amount, Currency string }
	Lines                []struct {
		Kind     string
		Evidence struct {
			BytesIn           int64 `json:"bytes_in"`
			BytesOut          int64 `json:"bytes_out"`
			BillableBytes     int64 `json:"billable_bytes"`
			QuotaBytes        int64 `json:"quota_bytes"`
			Samples           int64 `json:"samples"`
			DatagramsLost     int64 `json:"datagrams_lost"`
			ErrorBoundPercent any   `json:"error_bound_percent"`
		}
	}
}

// closeMonth advances the clock and wants one invoice for each service above its quota, to the byte and the cent.
func (in *installation) closeMonth(t *testing.T, truth simulate.Truth) {
	t.Helper()
	if err := in.api.call("POST", "/api/v1/dev/clock", map[string]string{"advance": "31d"}, nil); err != nil {
		t.Fatal(err)
	}
	over := overQuota(truth)
	eventually(t, 90*time.Second, "invoices", func() error {
		var list struct {
			Items []struct{ ID string }
		}
		if err := in.api.get("/api/v1/invoices", &list); err != nil {
			return err
		}
		if len(list.Items) != len(over) {
			return fmt.Errorf("%d invoices, want %d", len(list.Items), len(over))
		}
		for _, item := range list.Items {
			var invoice invoiceAnswer
			if err := in.api.get("/api/v1/invoices/"+item.ID, &invoice); err != nil {
				return err
			}
			if err := invoice.check(over[invoice.Service.Name]); err != nil {
				t.Fatalf("invoice %s of %s: %v", invoice.Number, invoice.Service.Name, err)
			}
		}
		return nil
	})
}

func (i invoiceAnswer) check(truth simulate.ServiceTruth) error {
	if i.Kind != "usage" || i.Status != "finalised" || len(i.Lines) != 1 || i.Lines[0].Kind != "overage" {
		return fmt.Errorf("not one finalised overage line: %+v", i)
	}
	e := i.Lines[0].Evidence
	if e.BytesIn != truth.BytesInL2 || e.BytesOut != truth.BytesOutL2 || e.Samples != truth.Samples || e.DatagramsLost != truth.DatagramsLost ||
		e.BillableBytes != truth.BytesInL2+truth.BytesOutL2 || e.QuotaBytes != smallQuota || e.ErrorBoundPercent == nil {
		return fmt.Errorf("evidence %+v differs from the truth %+v", e, truth)
	}
	if want := overageAmount(e.BillableBytes - smallQuota); i.Total.Amount != want || i.Total.Currency != "USD" {
		return fmt.Errorf("total %s %s, want %s USD", i.Total.Amount, i.Total.Currency, want)
	}
	return nil
}

// overageAmount is bytes/unit x price in cents, exact, rounded half up once.
func overageAmount(bytes int64) string {
	cents := new(big.Rat).SetFrac64(bytes*smallUnitCent, smallUnit)
	rounded := cents.Add(cents, big.NewRat(1, 2))
	whole := new(big.Int).Quo(rounded.Num(), rounded.Denom()).Int64()
	return fmt.Sprintf("%d.%02d", whole/100, whole%100)
}
