-- The audit log becomes a chain that cannot be rewritten unseen: see package command/audit, which says what is hashed
-- and how, and docs/decisions/014-audit-chain.md.

-- +goose Up

-- The first group is sealed as it is. The second, and the salt, are sealed by a salted hash of their own, so that they
-- can be erased for a person's sake while the chain stays whole. Rows from before have a salt each, and transaction 0.
alter table audit add column txid xid8 not null default '0', add column recorded_at timestamptz;
alter table audit alter column txid set default pg_current_xact_id(), alter column recorded_at set default now();
alter table audit
    add column salt       uuid default gen_random_uuid(),
    add column ip         inet,     -- of the request, where there was one
    add column user_agent text,
    add column before     jsonb,    -- fields that the command changed, as they were
    add column after      jsonb;    -- and as they are
alter table audit alter column request_id drop not null, alter column input drop not null;  -- null where erased

create index audit_order on audit (txid, id);
create index audit_time on audit (at, id);
create index audit_actor on audit (actor, at, id);
drop index audit_aggregate;
create index audit_object on audit (aggregate_id, at, id);

-- One row per sealed row of audit: its place in the chain.
create table audit_seal (
    seq       bigint      primary key check (seq > 0),    -- without holes
    audit_id  bigint      not null unique,                -- no foreign key: it would write to the row that it locks
    personal  bytea       not null check (length(personal) = 32),
    hash      bytea       not null check (length(hash) = 32),
    sealed_at timestamptz not null default now()
);

-- Where the chain ends, and the last row that the sealer has passed.
create table audit_chain (
    only_row    bool   primary key default true check (only_row),
    seq         bigint not null default 0,
    hash        bytea  not null default decode(repeat('00', 32), 'hex') check (length(hash) = 32),
    cursor_txid xid8   not null default '0',
    cursor_id   bigint not null default 0
);
insert into audit_chain default values;

-- Signed statements of what the chain was; to be kept elsewhere as well.
create table audit_head (
    seq       bigint      primary key check (seq > 0),
    hash      bytea       not null check (length(hash) = 32),
    at        timestamptz not null,
    key       bytea       not null check (length(key) = 32),
    signature bytea       not null check (length(signature) = 64)
);

-- +goose StatementBegin
create function audit_only_grows() returns trigger language plpgsql as $$
begin
    raise restrict_violation using message = format('%s is only added to', tg_table_name);
end $$;
-- +goose StatementEnd

-- A row's personal fields may be emptied, all at once, when it is sealed. The order to do so stays whole itself.
-- +goose StatementBegin
create function audit_only_erased() returns trigger language plpgsql as $$
begin
    if old.salt is not null and old.command <> 'audit.Erase'
        and num_nonnulls(new.salt, new.request_id, new.ip, new.user_agent, new.input, new.outcome, new.before, new.after) = 0
        and (new.id, new.txid, new.at, new.recorded_at, new.actor, new.command, new.aggregate_type, new.aggregate_id)
            is not distinct from (old.id, old.txid, old.at, old.recorded_at, old.actor, old.command, old.aggregate_type, old.aggregate_id)
        and exists (select from audit_seal s where s.audit_id = old.id) then
        return new;
    end if;
    raise restrict_violation using message = 'audit is only added to';
end $$;
-- +goose StatementEnd

-- +goose StatementBegin
create function audit_chain_only_grows() returns trigger language plpgsql as $$
begin
    if new.seq < old.seq then
        raise restrict_violation using message = 'the audit chain only grows';
    end if;
    return new;
end $$;
-- +goose StatementEnd

create trigger only_erased before update on audit for each row execute function audit_only_erased();
create trigger only_grows before delete on audit for each row execute function audit_only_grows();
create trigger never_emptied before truncate on audit execute function audit_only_grows();
create trigger only_grows before update or delete on audit_seal for each row execute function audit_only_grows();
create trigger never_emptied before truncate on audit_seal execute function audit_only_grows();
create trigger only_grows before update or delete on audit_head for each row execute function audit_only_grows();
create trigger never_emptied before truncate on audit_head execute function audit_only_grows();
create trigger only_forward before update on audit_chain for each row execute function audit_chain_only_grows();
create trigger only_grows before delete on audit_chain for each row execute function audit_only_grows();
create trigger never_emptied before truncate on audit_chain execute function audit_only_grows();

-- Also in sessions that play a replica.
alter table audit enable always trigger only_erased, enable always trigger only_grows, enable always trigger never_emptied;
alter table audit_seal enable always trigger only_grows, enable always trigger never_emptied;
alter table audit_head enable always trigger only_grows, enable always trigger never_emptied;
alter table audit_chain enable always trigger only_forward, enable always trigger only_grows, enable always trigger never_emptied;

-- Erases the personal fields of sealed rows and says so in the log, in one transaction: the verifier takes an erased
-- row for sound only if such an order names it. Gives how many there were. Nobody but the owner may call it until a
-- command does.
-- +goose StatementBegin
create function audit_erase(wanted bigint[], by_actor text, at_time timestamptz, of_type text, of_id uuid) returns bigint
    language plpgsql set search_path = pg_catalog, public as $$
declare
    erased bigint[];
begin
    with emptied as (
        update public.audit a set salt = null, request_id = null, ip = null, user_agent = null, input = null, outcome = null,
            before = null, after = null
        where a.id = any (wanted) and a.salt is not null and a.command <> 'audit.Erase'
        returning a.id
    )
    select coalesce(array_agg(id order by id), '{}') into erased from emptied;
    if cardinality(erased) > 0 then
        insert into public.audit (at, actor, command, aggregate_type, aggregate_id, request_id, input)
        values (at_time, by_actor, 'audit.Erase', of_type, of_id, '', jsonb_build_object('rows', to_jsonb(erased)));
    end if;
    return cardinality(erased);
end $$;
-- +goose StatementEnd
revoke all on function audit_erase from public;

-- The sealer has a role of its own: what may order cannot seal, and what seals cannot order.
-- +goose StatementBegin
do $$
begin
    begin
        if not exists (select from pg_roles where rolname = 'ezscale_audit') then
            create role ezscale_audit nologin;
        end if;
    exception when duplicate_object or unique_violation then
        null; -- made by another database's migration in this moment
    end;
    if not pg_has_role(current_user, 'ezscale_audit', 'set') then
        grant ezscale_audit to current_user;
    end if;
end $$;
-- +goose StatementEnd
grant select on audit to ezscale_audit;
grant select, insert on audit_seal, audit_head to ezscale_audit;
grant select, update on audit_chain to ezscale_audit;
grant select on audit_seal, audit_chain, audit_head to ezscale_query;

-- Who orders does not choose a row's number, transaction, salt or time of recording.
revoke insert on audit from ezscale_command;
grant insert (at, actor, command, aggregate_type, aggregate_id, request_id, input, outcome, ip, user_agent, before, after) on audit to ezscale_command;

-- +goose Down
-- Forward only.
