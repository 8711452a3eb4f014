-- The keys that secrets are sealed with, and what keeps sealed values and keys together: see package
-- internal/secret/vault and docs/decisions/013-secrets-at-rest.md.

-- +goose Up

-- Which keys there are is no secret, and lets Postgres hold columns to them. The keys themselves are in wrapped.
create table secret_ring (
    only_row    bool        primary key default true check (only_row),
    version     bigint      not null check (version > 0),
    wrapped     bytea       not null check (length(wrapped) between 1 and 65536),
    kek         text        not null,                                             -- URI of the key that wrapped it
    kek_id      bigint      check (kek_id between 0 and 4294967295),              -- null: a KMS keeps it
    keys        bigint[]    not null check (cardinality(keys) between 1 and 100), -- ids, oldest first
    primary_key bigint      not null check (primary_key = any (keys)),
    updated_at  timestamptz not null default now()
);

-- The id of the key that sealed a value; null: it is not a sealed one. The form is internal/secret/keyring's.
-- +goose StatementBegin
create function secret_key_of(sealed bytea) returns bigint language sql immutable strict parallel safe as $$
    select case when length(sealed) >= 33 and get_byte(sealed, 0) = 1 then
        get_byte(sealed, 1) * 16777216::bigint + get_byte(sealed, 2) * 65536 + get_byte(sealed, 3) * 256 + get_byte(sealed, 4)
    end
$$;
-- +goose StatementEnd

-- Every column of sealed values has this trigger, which is also how the column is known to renewal:
--     create trigger seed_sealed before insert or update of seed on second_factor
--         for each row execute function secret_guard('seed', 'id');
-- with the column, and the key column whose text is the value's Row. Only what a key of the ring sealed comes in, and
-- the row of the ring is locked until the writer's end: so a key is not removed while somebody writes by it, and nobody
-- who slept with a value in hand writes it after.
-- +goose StatementBegin
create function secret_guard() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    sealed bytea;
begin
    execute format('select ($1).%I', tg_argv[0]) into sealed using new;
    if sealed is null then
        return new;
    end if;
    perform from public.secret_ring r where public.secret_key_of(sealed) = any (r.keys) for share;
    if not found then
        raise foreign_key_violation using constraint = 'secret_key_known', table = tg_table_name, column = tg_argv[0],
            message = format('%s.%s: the value is not sealed, or not by a key of the ring', tg_table_name, tg_argv[0]);
    end if;
    return new;
end $$;
-- +goose StatementEnd
revoke all on function secret_guard from public;

-- Who proves who somebody is has a role of its own, which other migrations know too.
-- +goose StatementBegin
do $$
begin
    begin
        if not exists (select from pg_roles where rolname = 'ezscale_door') then
            create role ezscale_door nologin;
        end if;
    exception when duplicate_object or unique_violation then
        null; -- made by another database's migration in this moment
    end;
    if not pg_has_role(current_user, 'ezscale_door', 'set') then
        grant ezscale_door to current_user;
    end if;
end $$;
-- +goose StatementEnd

-- Whoever seals and opens reads the ring; only orders write it. It is never deleted.
grant select, insert, update on secret_ring to ezscale_command;
grant select on secret_ring to ezscale_door;

-- +goose Down
-- Forward only.
