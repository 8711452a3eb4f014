package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/identity"
	"github.com/ezscale/platform/command/notify"
	"github.com/ezscale/platform/internal/bytesize"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/gateway/discord"
	"github.com/ezscale/platform/internal/gateway/mail"
	"github.com/ezscale/platform/internal/jobs"
	"github.com/ezscale/platform/internal/token"
)

// maxDeliveries bounds the attempts at one notification, those that were asked to wait included.
const maxDeliveries = 100

// Colours of a post's bar: something comes, is wrong, is well again.
const (
	colourNear = 0xf59e0b
	colourOver = 0xdc2626
	colourWell = 0x16a34a
)

// DelivererConfig is what delivering needs. A channel without a gateway keeps its notifications queued until the
// job's attempts are used up, and says so.
type DelivererConfig struct {
	DB       *command.DB
	Renderer *notify.Renderer
	Mail     *mail.Sender
	Discord  *discord.Client
	Now      func() time.Time
	Machine  func() time.Time // the machine's clock: links live by it
	NewID    func() uuid.UUID
}

// Deliverer works the jobs that send notifications.
type Deliverer struct {
	cfg       DelivererConfig
	log       *slog.Logger
	delivered *prometheus.CounterVec
}

// NewDeliverer makes a deliverer.
func NewDeliverer(cfg DelivererConfig, log *slog.Logger, reg prometheus.Registerer) *Deliverer {
	delivered := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ezscale_notify_deliveries_total",
		Help: "Attempts to deliver notifications, by channel and outcome."}, []string{"channel", "outcome"})
	reg.MustRegister(delivered)
	return &Deliverer{cfg: cfg, log: log, delivered: delivered}
}

// Register makes a job runner work the deliveries.
func (d *Deliverer) Register(r *jobs.Runner) { jobs.Handle(r, d.work) }

func (d *Deliverer) work(ctx context.Context, job jobs.Job[DeliverNotification]) error {
	delivery, err := command.Run(ctx, d.cfg.DB, d.meta(), notify.BeginDelivery{NotificationID: job.Args.NotificationID})
	if fault.Is(err, fault.NotFound) {
		return jobs.Cancel(err)
	}
	if err != nil || delivery.Status != notify.StatusQueued {
		return err
	}
	sent := d.send(ctx, delivery)
	status := outcome(sent, job.Last(), delivery.Attempts)
	if status == notify.StatusFailed && !errors.Is(sent, errLinkOver) {
		d.log.ErrorContext(ctx, "a notification is not delivered and not tried again", "notification", delivery.NotificationID, "channel", delivery.Channel)
	}
	d.delivered.WithLabelValues(delivery.Channel, status).Inc()
	record := notify.RecordDelivery{NotificationID: delivery.NotificationID, Status: status}
	if sent != nil {
		record.Reason = sent.Error()
	}
	if _, err := command.Run(ctx, d.cfg.DB, d.meta(), record); err != nil {
		return errors.Join(sent, err)
	}
	return answer(sent, status)
}

func (d *Deliverer) meta() command.Meta {
	return command.Meta{Actor: ActorNotify, Now: d.cfg.Now(), NewID: d.cfg.NewID}
}

// outcome is the status after an attempt. Being asked to wait is no failure, and costs no attempt.
func outcome(sent error, last bool, attempts int) string {
	limited := errors.As(sent, new(discord.RateLimited))
	switch {
	case sent == nil:
		return notify.StatusSent
	case isFinal(sent) || last && !limited || attempts >= maxDeliveries:
		return notify.StatusFailed
	default:
		return notify.StatusQueued
	}
}

func isFinal(err error) bool {
	return errors.Is(err, errLinkOver) || errors.Is(err, mail.ErrRefused) || errors.Is(err, discord.ErrRefused) || errors.Is(err, errUnreadable)
}

// answer is what the job queue is told.
func answer(sent error, status string) error {
	var limited discord.RateLimited
	switch {
	case sent == nil:
		return nil
	case status == notify.StatusFailed:
		return jobs.Cancel(sent)
	case errors.As(sent, &limited):
		return jobs.Snooze(limited.After)
	default:
		return sent
	}
}

var (
	errUnreadable = errors.New("the notification cannot be written")
	errLinkOver   = errors.New("the link was used, revoked or replaced before its mail was sent")
	errNoGateway  = errors.New("no gateway is configured for this channel")
)

func (d *Deliverer) send(ctx context.Context, n notify.Delivery) error {
	if err := d.arm(ctx, &n); err != nil {
		return err
	}
	m, err := d.cfg.Renderer.Render(n)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnreadable, err)
	}
	switch {
	case n.Channel == notify.ChannelMail && d.cfg.Mail != nil:
		return d.cfg.Mail.Send(ctx, mail.Message{ID: n.NotificationID.String(), To: n.Recipient, ToName: m.CustomerName,
			Subject: m.Subject, Text: m.Text, HTML: m.HTML, At: n.QueuedAt})
	case n.Channel == notify.ChannelDiscord && d.cfg.Discord != nil:
		post, err := postOf(n, m)
		if err != nil {
			return fmt.Errorf("%w: %w", errUnreadable, err)
		}
		return d.cfg.Discord.Post(ctx, post)
	default:
		return errNoGateway
	}
}

// arm draws the token of the link that a notice holds. It is in the mail, and its hash in the link: nowhere else. If the
// mail is sent again, it holds another, and the one before is worth nothing.
func (d *Deliverer) arm(ctx context.Context, n *notify.Delivery) error {
	link, err := notify.LinkOf(*n)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnreadable, err)
	}
	if link == nil {
		return nil
	}
	drawn := token.New(token.Link)
	_, err = command.Run(ctx, d.cfg.DB, d.meta(), identity.ArmLink{LinkID: *link, Hash: drawn.Hash(), At: d.cfg.Machine()})
	if fault.Is(err, fault.NotFound) {
		return errLinkOver
	}
	n.Token = drawn.Text()
	return err
}

// postOf writes a notification as a post for the staff.
func postOf(n notify.Delivery, m notify.Rendered) (discord.Message, error) {
	switch n.Template {
	case notify.TemplateQuotaAlert:
		return postOfAlert(n, m)
	case notify.TemplatePorts:
		return postOfPorts(n, m)
	case notify.TemplateStaffSignIn:
		return postOfSignIn(n, m)
	default:
		return discord.Message{}, fmt.Errorf("%q is not written as a post", n.Template)
	}
}

func postOfPorts(n notify.Delivery, m notify.Rendered) (discord.Message, error) {
	var ports notify.Ports
	if err := json.Unmarshal(n.Content, &ports); err != nil {
		return discord.Message{}, fmt.Errorf("read the content of notification %s: %w", n.NotificationID, err)
	}
	post := discord.Message{Content: m.Subject, Title: ports.ExporterName, URL: m.Link, Colour: colourWell, At: ports.Hour}
	if ports.Off {
		post.Colour = colourOver
	}
	for _, p := range ports.Ports {
		post.Fields = append(post.Fields, discord.Field{Name: portName(p), Value: ratios(p)})
	}
	if more := ports.Count - len(ports.Ports); more > 0 {
		post.Fields = append(post.Fields, discord.Field{Name: "And more", Value: fmt.Sprintf("%d ports", more)})
	}
	return post, nil
}

func portName(p notify.Port) string {
	if p.Name == "" {
		return fmt.Sprintf("Port %d", p.IfIndex)
	}
	return fmt.Sprintf("Port %d, %s", p.IfIndex, p.Name)
}

// ratios says what samples tell of beside the counter, by direction.
func ratios(p notify.Port) string {
	var parts []string
	for _, side := range []struct{ name, ratio string }{{"in", p.RatioIn}, {"out", p.RatioOut}} {
		if side.ratio != "" {
			parts = append(parts, side.name+" "+side.ratio)
		}
	}
	if len(parts) == 0 {
		return "not sampled"
	}
	return strings.Join(parts, ", ")
}

// postOfAlert writes a quota alert.
func postOfAlert(n notify.Delivery, m notify.Rendered) (discord.Message, error) {
	var alert notify.QuotaAlert
	if err := json.Unmarshal(n.Content, &alert); err != nil {
		return discord.Message{}, fmt.Errorf("read the content of notification %s: %w", n.NotificationID, err)
	}
	colour := colourNear
	if alert.Threshold >= 100 {
		colour = colourOver
	}
	return discord.Message{Content: m.Subject, Title: alert.ServiceName, URL: m.Link, Colour: colour, At: alert.ReachedAt, Fields: []discord.Field{
		{Name: "Customer", Value: notify.Unlinked(alert.CustomerName)},
		{Name: "Used", Value: bytesize.Format(alert.BillableBytes) + " of " + bytesize.Format(alert.QuotaBytes)},
		{Name: "Threshold", Value: fmt.Sprintf("%d %%", alert.Threshold)},
	}}, nil
}
