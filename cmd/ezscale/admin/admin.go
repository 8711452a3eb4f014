// Package admin is what whoever runs the machine does about staff on the command line: let the first one in, and one who
// has lost what they prove their identity with; see who there is, and shut somebody out. It works on Postgres itself: where
// nobody can sign in, no API helps. Every order is in the audit log, as staff:command-line.
package admin

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/addresses"
	"github.com/ezscale/platform/cmd/ezscale/operator"
	"github.com/ezscale/platform/cmd/ezscale/terminal"
	"github.com/ezscale/platform/cmd/ezscale/tools"
	"github.com/ezscale/platform/command"
	staffcmd "github.com/ezscale/platform/command/staff"
	"github.com/ezscale/platform/internal/client"
	"github.com/ezscale/platform/internal/config"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/token"
	"github.com/ezscale/platform/query"
	door "github.com/ezscale/platform/query/access"
	"github.com/ezscale/platform/query/identity"
)

const (
	actor      = "staff:command-line"
	exitMisuse = 2
	site       = "admin"
)

// NewCommand manages staff.
func NewCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "admin",
		Short: "Staff: let the first one in, or one who lost the second factor; shut somebody out",
		Long: `Works on Postgres itself, for when nobody can sign in on the admin site; once somebody can, the page Staff does the same.
A link that is printed works once, for 24 hours: hand it over where nobody else reads along. Everything is in the audit log.`,
		Example: "  ezscale admin create ada@example.com --name 'Ada Lovelace'\n  ezscale admin list\n  ezscale admin enrol ada@example.com --reset-factors\n  ezscale admin suspend ada@example.com",
	}
	operator.AddDataFlag(cmd)
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return misuse(cmd, "%v", err) })
	cmd.AddCommand(newCreateCommand(), newListCommand(), newEnrolCommand(),
		newStatusCommand("suspend", "suspended", "Sign somebody out everywhere, and no longer let them in"), newStatusCommand("activate", "active", "Let somebody in again who was suspended"))
	return cmd
}

// misuse says what is wrong with the input.
func misuse(cmd *cobra.Command, format string, args ...any) error {
	fmt.Fprintf(cmd.ErrOrStderr(), "ezscale: %s; usage: %s\n", fmt.Sprintf(format, args...), cmd.UseLine())
	return tools.ExitError{Code: exitMisuse}
}

func oneAddress(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || !strings.Contains(args[0], "@") {
		return misuse(cmd, "name one mail address")
	}
	return nil
}

func newCreateCommand() *cobra.Command {
	var name string
	var roles []string
	cmd := &cobra.Command{
		Use:     "create EMAIL --name NAME",
		Short:   "Take somebody in among the staff, and print the link by which they set their password",
		Example: "  ezscale admin create ada@example.com --name 'Ada Lovelace'\n  ezscale admin create bob@example.com --name Bob --role support --role network",
		Args:    oneAddress,
	}
	cmd.Flags().StringVar(&name, "name", "", "what the person is called")
	cmd.Flags().StringSliceVar(&roles, "role", []string{"admin"}, "a role; may be given several times")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if strings.TrimSpace(name) == "" {
			return misuse(cmd, "--name is missing")
		}
		if len(roles) == 0 {
			return misuse(cmd, "--role is empty: name a role, or leave it out for admin")
		}
		return withDesk(cmd, func(ctx context.Context, d *desk) error {
			link, t := d.link()
			order := staffcmd.EnrolStaff{PersonID: newID(), Email: args[0], PersonName: name, Roles: roles, Link: link}
			done, err := command.Run(ctx, d.db, d.meta(), order)
			if err != nil {
				return wrong(cmd, err)
			}
			return d.hand(cmd, fmt.Sprintf("%s is among the staff, with the role %s.", args[0], strings.Join(roles, ", ")), done, t)
		})
	}
	return cmd
}

func newEnrolCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "enrol EMAIL",
		Short: "Print another enrolment link, for who has lost the link, the password or the second factor",
		Long: `The person's older links no longer work. The link sets another password, and ends all sessions when it is used; a second factor stays
and is asked for next. With --reset-factors the person loses password, passkeys, authenticator and recovery codes at once,
is signed out, and sets up a second factor anew. Make sure first who is asking: it is how accounts are stolen.`,
		Example: "  ezscale admin enrol ada@example.com\n  ezscale admin enrol ada@example.com --reset-factors",
		Args:    oneAddress,
	}
	reset := cmd.Flags().Bool("reset-factors", false, "take away all that the person proves themselves with")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return withDesk(cmd, func(ctx context.Context, d *desk) error {
			person, err := d.find(ctx, args[0])
			if err != nil {
				return err
			}
			link, t := d.link()
			done, err := command.Run(ctx, d.db, d.meta(), staffcmd.RenewEnrolment{PersonID: person, Link: link, ResetFactors: *reset})
			if err != nil {
				return err
			}
			said := "Another link for " + args[0] + "."
			if *reset {
				said = args[0] + " has no password and no second factor any more, and is signed out."
			}
			return d.hand(cmd, said, done, t)
		})
	}
	return cmd
}

func newStatusCommand(verb, status, short string) *cobra.Command {
	return &cobra.Command{
		Use: verb + " EMAIL", Short: short, Example: "  ezscale admin " + verb + " ada@example.com", Args: oneAddress,
		RunE: func(cmd *cobra.Command, args []string) error {
			return withDesk(cmd, func(ctx context.Context, d *desk) error {
				person, err := d.find(ctx, args[0])
				if err != nil {
					return err
				}
				if _, err := command.Run(ctx, d.db, d.meta(), staffcmd.SetStaffStatus{PersonID: person, Status: status, At: machineNow()}); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s is %s\n", args[0], status)
				return nil
			})
		},
	}
}

func newListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "Who works here", Example: "  ezscale admin list\n  ezscale admin list --json",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return misuse(cmd, "%q is one argument too many", args[0])
			}
			return nil
		},
	}
	asJSON := cmd.Flags().Bool("json", false, "print a JSON array")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return withDesk(cmd, func(ctx context.Context, d *desk) error {
			all, err := d.staff(ctx)
			if err != nil {
				return err
			}
			if *asJSON {
				return terminal.JSON(cmd.OutOrStdout(), all)
			}
			return printStaff(cmd.OutOrStdout(), all)
		})
	}
	return cmd
}

// desk is an operator's connection.
type desk struct {
	*operator.Platform
	db    *command.DB
	admin string // where staff reach their site
}

func withDesk(cmd *cobra.Command, work func(context.Context, *desk) error) error {
	platform, err := operator.Open(cmd, postgres.RoleCommand)
	if err != nil {
		return err
	}
	defer platform.Close()
	data, err := cmd.Flags().GetString("data")
	if err != nil {
		return fmt.Errorf("read --data: %w", err)
	}
	address, err := siteAddress(platform.Config, data, os.Getenv)
	if err != nil {
		return err
	}
	d := &desk{Platform: platform, db: command.NewDB(platform.Pool, noWaker{}, platform.Log, prometheus.NewRegistry()), admin: address}
	return work(cmd.Context(), d)
}

func (d *desk) meta() command.Meta {
	return command.Meta{Actor: actor, Now: d.Clock.Now(), NewID: newID}
}

// link is a link with its token, which is handed over here and not mailed.
func (d *desk) link() (staffcmd.Link, token.Token) {
	t := token.New(token.Link)
	hash := t.Hash()
	return staffcmd.Link{LinkID: newID(), TokenHash: &hash, At: machineNow()}, t
}

// hand prints the link alone to where a script reads, and what there is to say about it beside.
func (d *desk) hand(cmd *cobra.Command, said string, done staffcmd.Enrolled, t token.Token) error {
	fmt.Fprintf(cmd.ErrOrStderr(), "%s The link works once, until %s:\n", said, done.ExpiresAt.UTC().Format("2006-01-02 15:04 UTC"))
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s/enrol#%s\n", d.admin, t.Reveal())
	return err
}

// find finds one of the staff.
func (d *desk) find(ctx context.Context, email string) (uuid.UUID, error) {
	found, err := door.FindCredentials(ctx, d.Pool, site, email)
	if fault.Is(err, fault.NotFound) {
		return uuid.Nil, fmt.Errorf("nobody among the staff has the mail address %s: `ezscale admin list` shows who there is", email)
	}
	return found.PersonID, err
}

// staff is everybody. A company that outgrows a hundred pages has other tools.
func (d *desk) staff(ctx context.Context) ([]identity.Staff, error) {
	const most = 100
	all, page := []identity.Staff{}, query.Page{Limit: query.MaxLimit}
	for range most {
		list, err := identity.ListStaff(ctx, d.Pool, machineNow(), page)
		if err != nil {
			return nil, err
		}
		all = append(all, list.Items...)
		if page.Cursor = list.NextCursor; page.Cursor == "" {
			return all, nil
		}
	}
	return all, nil
}

func printStaff(out io.Writer, all []identity.Staff) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "email\tname\troles\tstatus\tsecond factor\tlast seen")
	for _, s := range all {
		factor, seen := "no", "never"
		if s.SecondFactor {
			factor = "yes"
		}
		if s.SeenAt != nil {
			seen = s.SeenAt.UTC().Format(time.RFC3339)
		}
		status := s.Status
		if s.InvitedUntil != nil {
			status += ", invited until " + s.InvitedUntil.UTC().Format(time.RFC3339)
		} else if !s.Enrolled {
			status += ", not enrolled"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.Email, s.Name, strings.Join(s.Roles, ", "), status, factor, seen)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the staff: %w", err)
	}
	return nil
}

// wrong tells input that cannot be from what went wrong otherwise.
func wrong(cmd *cobra.Command, err error) error {
	if fault.Is(err, fault.Invalid) {
		return misuse(cmd, "%v", err)
	}
	return err
}

// siteAddress is where staff reach their site: as the settings say, or where `ezscale up` serves on a data directory.
func siteAddress(cfg config.Config, data string, getenv func(string) string) (string, error) {
	if getenv("EZSCALE_POSTGRES") == "" {
		if found, err := client.Find(data); err == nil { // otherwise it does not run now: the settings have to do
			at, err := url.Parse(found.URL)
			if err != nil {
				return "", fmt.Errorf("read the address of the platform: %w", err)
			}
			if err := addresses.NameSites(at.Host, getenv, &cfg); err != nil {
				return "", err
			}
		}
	}
	return strings.TrimSuffix(cfg.AdminURL, "/"), nil
}

type noWaker struct{}

func (noWaker) Wake() {}

func machineNow() time.Time { return time.Now() }

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }
