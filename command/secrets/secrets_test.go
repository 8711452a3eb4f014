package secrets_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ezscale/platform/command/account"
	"github.com/ezscale/platform/command/identity"
	"github.com/ezscale/platform/command/internal/worldtest"
	"github.com/ezscale/platform/command/secrets"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/secret/keyring"
	"github.com/ezscale/platform/internal/secret/vault"
)

// However many begin at once, there is one ring, and every one of them opens it.
func TestOneRingIsMade(t *testing.T) {
	t.Parallel()
	f := setup(t, false)
	var group sync.WaitGroup
	refused := make([]error, 6)
	for i := range refused {
		order := f.createRing(f.keks)
		group.Go(func() { refused[i] = f.run(order) })
	}
	group.Wait()
	made := 0
	for _, err := range refused {
		switch {
		case err == nil:
			made++
		case !isCode(err, "ring_exists"):
			t.Error(err)
		}
	}
	if made != 1 || f.current().Version != 1 {
		t.Errorf("%d rings were made", made)
	}
}

// Each step is refused where it does not fit, and says why.
func TestStepsAreHeldToTheirOrder(t *testing.T) {
	t.Parallel()
	f := setup(t, true)
	v := f.vault(vault.Config{})
	f.fill(v, 3)
	first := f.current()
	added := must(f, first, secrets.NewAddKey)
	worldtest.Must(f.World, added)
	worldtest.Refused(f.World, must(f, first, secrets.NewAddKey), fault.Conflict, "ring_changed")
	second := f.current()
	worldtest.Refused(f.World, must(f, second, promote(added.Key, false)), fault.Conflict, "ring_not_settled")
	for _, c := range []struct {
		order func() (any, error)
		code  string
	}{
		{func() (any, error) { return secrets.NewPromoteKey(second, 1, true) }, "key_not_found"},
		{func() (any, error) { return secrets.NewPromoteKey(second, first.Primary, true) }, "key_is_primary"},
		{func() (any, error) { return secrets.NewRemoveKey(second, 1, true) }, "key_not_found"},
		{func() (any, error) { return secrets.NewRemoveKey(second, first.Primary, true) }, "key_is_primary"},
	} {
		if _, err := c.order(); !isCode(err, c.code) {
			t.Errorf("got %v, want %s", err, c.code)
		}
	}
	order := must(f, second, promote(added.Key, true))
	order.Keys = order.Keys[1:] // and drop a key on the way
	worldtest.Refused(f.World, order, fault.Invalid, "another_ring")
	worldtest.Must(f.World, must(f, second, promote(added.Key, true)))
	f.Exec(`update secret_ring set updated_at = now() - interval '3 minutes'`)
	worldtest.Refused(f.World, must(f, f.current(), remove(first.Primary, false)), fault.Conflict, "key_in_use")
	if r := f.renewAll(v); r.Renewed != 3 || r.Total != 3 || r.Failed != 0 {
		t.Errorf("renewed %+v", r)
	}
	worldtest.Must(f.World, must(f, f.current(), remove(first.Primary, false)))
	if ring := f.current(); ring.Version != 4 || !slices.Equal(ring.Keys, []vault.KeyID{added.Key}) {
		t.Errorf("the ring is %+v", ring.State)
	}
}

// Every order is in the audit log, with ids of keys and without keys.
func TestOrdersAreAudited(t *testing.T) {
	t.Parallel()
	f := setup(t, true)
	was, is := f.rotate()
	worldtest.Must(f.World, must(f, f.current(), remove(was, true)))
	got := worldtest.One[[]string](f.World, `select array_agg(command || ' ' || coalesce(after->>'primary', after->>'keys', input->>'primary') order by id) from audit`)
	want := []string{"secrets.CreateRing " + was.String(), fmt.Sprintf(`secrets.AddKey ["%s", "%s"]`, was, is), "secrets.PromoteKey " + is.String(), fmt.Sprintf(`secrets.RemoveKey ["%s"]`, is)}
	if !slices.Equal(got, want) {
		t.Errorf("audited\n%q, want\n%q", got, want)
	}
	if n := worldtest.One[int](f.World, `select count(*) from audit where input->>'wrapped' is distinct from '[redacted]'`); n != 0 {
		t.Errorf("%d rows have the wrapped ring", n)
	}
}

// The ring is wrapped by another key while processes have both, and then they need the new one alone.
func TestRewrap(t *testing.T) {
	t.Parallel()
	f := setup(t, true)
	v := f.vault(vault.Config{})
	ids := f.fill(v, 1)
	both := vault.KEKs{URI: kekFile(t), Old: []string{f.keks.URI}}
	of, err := vault.Current(t.Context(), f.Pool, both)
	if err != nil || of.By.String() != f.keks.URI {
		t.Fatalf("opens by %v, %v", of.By, err)
	}
	kek, err := both.Open()
	if err != nil {
		t.Fatal(err)
	}
	order, err := secrets.NewRewrapRing(of, kek)
	if err != nil {
		t.Fatal(err)
	}
	worldtest.Must(f.World, order)
	if _, err := vault.Current(t.Context(), f.Pool, f.keks); !errors.Is(err, keyring.ErrWrongKEK) {
		t.Errorf("by the old key: %v", err)
	}
	f.keks = vault.KEKs{URI: both.URI}
	sealed := worldtest.One[[]byte](f.World, `select seed from safe where id = $1`, ids[0])
	if got, err := f.vault(vault.Config{}).Open(t.Context(), sealed, seeds.At(ids[0].String())); err != nil || got.Reveal() != text(ids[0].String(), 0) {
		t.Errorf("by the new key: %v", err)
	}
	if got, err := v.Open(t.Context(), sealed, seeds.At(ids[0].String())); err != nil || got.Reveal() != text(ids[0].String(), 0) {
		t.Errorf("a process with the old key alone goes on with the ring it has: %v", err)
	}
}

// A lost key is answered by a new ring; what was sealed stays where it is until it is entered anew.
func TestReplaceRing(t *testing.T) {
	t.Parallel()
	f := setup(t, true)
	id := f.fill(f.vault(vault.Config{}), 1)[0]
	lost := f.current().State
	f.keks = vault.KEKs{URI: kekFile(t)}
	kek, err := f.keks.Open()
	if err != nil {
		t.Fatal(err)
	}
	order, err := secrets.NewReplaceRing(lost, kek)
	if err != nil {
		t.Fatal(err)
	}
	worldtest.Must(f.World, order)
	v := f.vault(vault.Config{})
	if _, err := v.Open(t.Context(), worldtest.One[[]byte](f.World, `select seed from safe`), seeds.At(id.String())); !fault.Is(err, fault.Unavailable) {
		t.Errorf("what is lost: %v", err)
	}
	f.Exec(`update safe set note = 'other columns can be written'`)
	f.Exec(`update safe set seed = $1`, f.seal(v, "again", seeds.At(id.String())))
	if r := f.renewAll(v); r.Total != 0 {
		t.Errorf("renewed %+v", r)
	}
}

// What is not sealed, or by a key that is gone, does not get into a sealed column.
func TestGuard(t *testing.T) {
	t.Parallel()
	f := setup(t, true)
	v := f.vault(vault.Config{})
	id := f.NewID()
	sealed := f.seal(v, canary, seeds.At(id.String()))
	for name, value := range map[string][]byte{"plain": []byte(strings.Repeat(canary, 2)), "short": []byte("x"), "of another key": append([]byte{1, 0, 0, 0, 7}, sealed[5:]...), "empty": {}} {
		var pg *pgconn.PgError
		_, err := f.Pool.Exec(t.Context(), `insert into safe (id, seed) values ($1, $2)`, id, value)
		if !errors.As(err, &pg) || pg.Code != "23503" || pg.ConstraintName != "secret_key_known" || strings.Contains(pg.Message+pg.Detail, canary) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, value := range [][]byte{sealed, nil} {
		if _, err := f.Pool.Exec(t.Context(), `insert into safe (id, seed) values ($1, $2) on conflict (id) do update set seed = excluded.seed`, id, value); err != nil {
			t.Error(err)
		}
	}
}

// Postgres and the keyring have one idea of who sealed a value.
func TestKeyOf(t *testing.T) {
	t.Parallel()
	f := setup(t, true)
	sealed := f.seal(f.vault(vault.Config{}), "", seeds.At("1"))
	for _, id := range []string{"00000000", "00000001", "7fffffff", "80000000", "ffffffff", "12345678"} {
		raw, _ := hex.DecodeString(id)
		value := append(append([]byte{1}, raw...), sealed[5:]...)
		want, err := keyring.KeyOf(value)
		if got := worldtest.One[int64](f.World, `select secret_key_of($1)`, value); err != nil || got != int64(want) || vault.KeyID(want).String() != id {
			t.Errorf("%s: %08x, and %08x, %v", id, got, want, err)
		}
	}
	for _, value := range [][]byte{{}, {1}, sealed[:32], append([]byte{0}, sealed[1:]...)} {
		if got := worldtest.One[*int64](f.World, `select secret_key_of($1)`, value); got != nil {
			t.Errorf("%x: %d", value, *got)
		}
	}
}

// A writer who has written by a key and has not committed is waited for; one who comes after is refused.
func TestRemovalWaitsForWriters(t *testing.T) {
	t.Parallel()
	f := setup(t, true)
	v := f.vault(vault.Config{})
	id, late := f.NewID(), f.NewID()
	sealed, sealedLate := f.seal(v, "a", seeds.At(id.String())), f.seal(v, "b", seeds.At(late.String()))
	was, _ := f.rotate()
	tx, err := f.Owner.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `insert into safe (id, seed) values ($1, $2)`, id, sealed); err != nil {
		t.Fatal(err)
	}
	removed := make(chan error, 1)
	order := must(f, f.current(), remove(was, true))
	go func() { removed <- f.run(order) }()
	f.await("the removal to wait for the writer", func() bool {
		return worldtest.One[bool](f.World, `select exists (select from pg_stat_activity where wait_event_type = 'Lock' and query like '%secret_ring%' and datname = current_database())`)
	})
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-removed; !isCode(err, "key_in_use") {
		t.Errorf("removed: %v", err)
	}
	f.renewAll(v)
	worldtest.Must(f.World, must(f, f.current(), remove(was, true)))
	var pg *pgconn.PgError
	if _, err := f.Pool.Exec(t.Context(), `insert into safe (id, seed) values ($1, $2)`, late, sealedLate); !errors.As(err, &pg) || pg.ConstraintName != "secret_key_known" {
		t.Errorf("who slept writes: %v", err)
	}
}

// An order that brings what a removed key has sealed may be given again: whoever sealed it reads the ring within a minute.
func TestOrdersOfWhoSlept(t *testing.T) {
	t.Parallel()
	f := setup(t, true)
	v := f.vault(vault.Config{})
	id := worldtest.Must(f.World, identity.RegisterCustomer{CustomerID: f.NewID(), Email: "a@example.com", CustomerName: "A"}).CustomerID
	sealed := f.seal(v, "DE123456789", vault.Column{Table: "customer", Name: "tax_id", Key: "id"}.At(id.String()))
	was, _ := f.rotate()
	worldtest.Must(f.World, must(f, f.current(), remove(was, true)))
	late := account.ChangeProfile{CustomerID: id, Profile: account.Profile{CustomerName: "A", Locale: "en", TimeZone: "UTC"}, TaxID: secret.New("DE123456789"), SealedTaxID: sealed}
	worldtest.Refused(f.World, late, fault.Unavailable, "secrets_unavailable")
}

// A value that was moved to another row does not open there, is left by renewal, and keeps its key from being removed.
func TestMovedValue(t *testing.T) {
	t.Parallel()
	f := setup(t, true)
	v := f.vault(vault.Config{})
	ids := f.fill(v, 3)
	f.Exec(`update safe set seed = (select seed from safe where id = $1) where id = $2`, ids[0], ids[1])
	moved := worldtest.One[[]byte](f.World, `select seed from safe where id = $1`, ids[1])
	if _, err := v.Open(t.Context(), moved, seeds.At(ids[1].String())); !errors.Is(err, keyring.ErrForeign) || fault.Is(err, fault.Unavailable) {
		t.Errorf("opened: %v", err)
	}
	was, _ := f.rotate()
	if r := f.renewAll(v); r.Renewed != 2 || r.Failed != 1 || r.Done() != r.Total {
		t.Errorf("renewed %+v", r)
	}
	if now := worldtest.One[[]byte](f.World, `select seed from safe where id = $1`, ids[1]); !bytes.Equal(now, moved) {
		t.Error("a value that does not open was written")
	}
	worldtest.Refused(f.World, must(f, f.current(), remove(was, true)), fault.Conflict, "key_in_use")
}

// A dump of everything holds neither a secret nor the key that wraps the ring.
func TestDumpHoldsNoSecret(t *testing.T) {
	t.Parallel()
	f := setup(t, true)
	v := f.vault(vault.Config{})
	f.fill(v, 20)
	f.rotate()
	f.renewAll(v)
	kek, err := os.ReadFile(strings.TrimPrefix(f.keks.URI, "file:"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(string(kek))
	if err != nil {
		t.Fatal(err)
	}
	var dump bytes.Buffer
	for _, table := range worldtest.One[[]string](f.World, `select array_agg(oid::regclass::text) from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace`) {
		for _, format := range []string{"text", "binary"} {
			if err := f.Owner.AcquireFunc(t.Context(), func(c *pgxpool.Conn) error {
				_, err := c.Conn().PgConn().CopyTo(context.Background(), &dump, fmt.Sprintf("copy %s to stdout (format %s)", table, format))
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, needle := range map[string][]byte{"the secret": []byte(canary), "it in hex": []byte(hex.EncodeToString([]byte(canary))), "the key": kek, "its bytes": raw} {
		if bytes.Contains(dump.Bytes(), needle) {
			t.Errorf("%s is in the dump", name)
		}
	}
	if !bytes.Contains(dump.Bytes(), []byte("secrets.PromoteKey")) || dump.Len() < 10_000 {
		t.Errorf("that is no dump: %d bytes", dump.Len())
	}
}

// Only orders write the ring, and nobody deletes it.
func TestRightsOnTheRing(t *testing.T) {
	t.Parallel()
	f := setup(t, true)
	const read, write, gone = `select from secret_ring`, `update secret_ring set version = version`, `delete from secret_ring`
	for _, c := range []struct {
		role, sql string
		allowed   bool
	}{
		{"ezscale_command", read, true}, {"ezscale_command", write, true}, {"ezscale_command", gone, false}, {"ezscale_command", "truncate secret_ring", false},
		{"ezscale_door", read, true}, {"ezscale_door", write, false}, {"ezscale_query", read, false}, {"ezscale_meter", read, false}, {"ezscale_audit", read, false},
	} {
		err := pgx.BeginFunc(t.Context(), f.Owner, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), "set local role "+c.role); err != nil {
				return err
			}
			_, err := tx.Exec(t.Context(), c.sql)
			return err
		})
		var pg *pgconn.PgError
		if refused := errors.As(err, &pg) && pg.Code == "42501"; refused == c.allowed || !refused && err != nil {
			t.Errorf("%s, %s: %v", c.role, c.sql, err)
		}
	}
}
