-- People, what they prove themselves with, their sessions, and what they may do: see package command/access and
-- docs/decisions/015-people.md. A person belongs to one site: staff and customers are never the same row, even under one
-- mail address. A customer is an account, which people are members of.

-- +goose Up
create table person (
    id                uuid        primary key,
    site              text        not null check (site in ('account', 'admin')),
    email             text        not null check (email = lower(email)),
    email_verified_at timestamptz,                      -- of this address; another address begins at null
    name              text        not null,
    company           text        not null default '', -- as he registered; the account that it makes takes it
    locale            text        not null default 'en',
    time_zone         text        not null default 'UTC',
    status            text        not null default 'active' check (status in ('active', 'suspended', 'banned')),
    -- What passkeys call the person: random, and used for nothing else, since it can be read off a found key.
    handle            bytea       not null unique default uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) check (length(handle) = 32),
    created_at        timestamptz not null,
    unique (site, email)
);

-- An account's profile. The tax id is sealed by the secret ring, place customer.tax_id.
alter table customer
    add column company    text        not null default '',
    add column phone      text        not null default '',
    add column tax_id     bytea,
    add column tax_exempt bool        not null default false,
    add column locale     text        not null default 'en',
    add column time_zone  text        not null default 'UTC',
    add column status     text        not null default 'active' check (status in ('active', 'suspended', 'banned'));

create table customer_address (
    customer_id uuid not null references customer,
    kind        text not null check (kind in ('billing', 'shipping')),
    line1       text not null,
    line2       text not null default '',
    city        text not null,
    region      text not null default '',
    postal_code text not null default '',
    country     text not null check (country ~ '^[A-Z]{2}$'), -- ISO 3166-1
    primary key (customer_id, kind)
);

-- What staff write down about an account, for staff alone.
create table customer_note (
    id          uuid        primary key,
    customer_id uuid        not null references customer,
    author      text        not null,
    text        text        not null,
    created_at  timestamptz not null
);
create index customer_note_customer on customer_note (customer_id, created_at);

create table membership (
    person_id   uuid        not null references person,
    customer_id uuid        not null references customer,
    rights      text        not null check (rights in ('owner', 'billing', 'technical', 'read_only')),
    since       timestamptz not null,
    primary key (person_id, customer_id)
);
create index membership_customer on membership (customer_id);

-- A mailed link proves that somebody reads an address. Its token is drawn when the mail is sent, and only its hash is
-- kept: neither the database nor a queue ever holds one that works.
create table link (
    id          uuid        primary key,
    purpose     text        not null check (purpose in ('verify_email', 'reset_password', 'invitation', 'enrolment')),
    site        text        not null check (site in ('account', 'admin')),
    person_id   uuid        references person,                  -- null: an invitation to somebody new
    customer_id uuid        references customer,                -- of an invitation
    rights      text        check (rights in ('owner', 'billing', 'technical', 'read_only')),
    email       text        not null check (email = lower(email)),
    replaced    text,                                           -- the address that a change of address put out of use
    token_hash  bytea       unique check (length(token_hash) = 32),
    created_by  text        not null,
    created_at  timestamptz not null,
    expires_at  timestamptz not null,
    used_at     timestamptz,
    revoked_at  timestamptz,
    check ((purpose = 'invitation') = (customer_id is not null and rights is not null)),
    check (purpose = 'invitation' or person_id is not null)
);
create index link_person on link (person_id, purpose) where used_at is null and revoked_at is null;
create index link_customer on link (customer_id) where customer_id is not null;
create index link_created on link (created_at);
create index person_unverified on person (created_at) where email_verified_at is null;

-- A notice goes to a person, or to somebody who is to become one in an account.
alter table notification
    add column person_id uuid references person,
    drop constraint notification_of_customer,
    add constraint notification_of_somebody check (customer_id is not null or person_id is not null or channel <> 'mail');
create index notification_person on notification (person_id) where person_id is not null;

create table password (
    person_id uuid        primary key references person,
    hash      text        not null,
    set_at    timestamptz not null
);

create table passkey (
    id                 uuid        primary key,
    person_id          uuid        not null references person,
    credential_id      bytea       not null unique check (length(credential_id) between 1 and 1023),
    public_key         bytea       not null,                    -- COSE
    sign_count         bigint      not null default 0,
    aaguid             bytea       not null default '\x'::bytea,
    transports         text[]      not null default '{}',
    attestation_format text        not null default '',
    backup_eligible    bool        not null,
    backed_up          bool        not null,
    name               text        not null,
    created_at         timestamptz not null,
    last_used_at       timestamptz,
    cloned_at          timestamptz                              -- its counter went back: it opens nothing any more
);
create index passkey_person on passkey (person_id);

create table totp (
    person_id    uuid        primary key references person,
    seed         bytea       not null,                          -- sealed by the secret ring, place totp.seed
    confirmed_at timestamptz,
    last_step    bigint      not null default -1                -- a code works once: the step of the last one
);

create table recovery_code (
    hash      bytea       primary key check (length(hash) = 32),
    person_id uuid        not null references person,
    issued_at timestamptz not null,
    used_at   timestamptz
);
create index recovery_code_person on recovery_code (person_id);

create table session (
    id              uuid        primary key,
    hash            bytea       not null unique check (length(hash) = 32),
    site            text        not null check (site in ('account', 'admin')),
    person_id       uuid        not null references person,
    customer_id     uuid        references customer,            -- the account that the person looks at
    factors         text[]      not null,                       -- password, passkey, totp, recovery_code, development
    opened_at       timestamptz not null,
    proved_at       timestamptz not null,                       -- the last proof: the login, or a step-up
    seen_at         timestamptz not null,
    expires_at      timestamptz not null,                       -- absolute
    idle            interval    not null,                       -- and after so long without a request
    ip              inet,
    user_agent      text        not null default '',
    ended_at        timestamptz,
    impersonator_id uuid        references person,              -- staff who look at the account as the person
    reason          text        not null default '',
    widened         bool        not null default false          -- an impersonator may write
);
create index session_person on session (person_id) where ended_at is null;
create index session_over on session (expires_at) where ended_at is null;

-- Roles of staff. A role without rows grants nothing.
create table role (
    id          uuid        primary key,
    name        text        not null unique,
    permissions text[]      not null,
    created_at  timestamptz not null
);

create table person_role (
    person_id uuid not null references person,
    role_id   uuid not null references role,
    primary key (person_id, role_id)
);
create index person_role_role on person_role (role_id);

create table api_token (
    id           uuid        primary key,
    hash         bytea       not null unique check (length(hash) = 32),
    hint         text        not null,                          -- its first signs, to tell it from others
    name         text        not null,
    person_id    uuid        not null references person,
    customer_id  uuid        references customer,
    scopes       text[]      not null,
    created_at   timestamptz not null,
    expires_at   timestamptz not null,
    last_used_at timestamptz,
    last_used_ip inet,
    revoked_at   timestamptz
);
create index api_token_person on api_token (person_id);

-- Customers from before have an address of their own; whoever reads it becomes their owner by an invitation.

insert into role (id, name, permissions, created_at) values
    ('00000000-0000-7000-8000-000000000001', 'admin', '{*}', now()),
    ('00000000-0000-7000-8000-000000000002', 'support', '{customers.read,customers.write,services.read,invoices.read,catalog.read,impersonate}', now()),
    ('00000000-0000-7000-8000-000000000003', 'billing', '{customers.read,customers.write,services.read,invoices.read,catalog.read,catalog.write,reports.read}', now()),
    ('00000000-0000-7000-8000-000000000004', 'network', '{customers.read,services.read,services.write,catalog.read,network.read,network.write,reports.read}', now());

-- The door: what finds out who asks. It reads what people prove themselves with, and writes only when a session or a
-- token was last used. Short-lived state is in 00011.
grant select on person, membership, link, password, passkey, totp, recovery_code, session, role, person_role, api_token, customer to ezscale_door;
grant update (seen_at, ip) on session to ezscale_door;
grant update (last_used_at, last_used_ip) on api_token to ezscale_door;

grant select, insert, update on person, customer_address, customer_note, membership, link, password, passkey, totp, recovery_code, session,
    role, person_role, api_token to ezscale_command;
-- A person who never verified the address, and a link that is long over, are forgotten.
grant delete on person, link, customer_address, membership, password, passkey, totp, recovery_code, role, person_role to ezscale_command;

-- The read side shows what there is, never what it is checked against.
grant select on customer_address, customer_note, membership, role, person_role to ezscale_query;
grant select (id, site, email, email_verified_at, name, locale, time_zone, status, created_at) on person to ezscale_query;
grant select (id, purpose, site, person_id, customer_id, rights, email, created_by, created_at, expires_at, used_at, revoked_at) on link to ezscale_query;
grant select (person_id, set_at) on password to ezscale_query;
grant select (id, person_id, aaguid, transports, backup_eligible, backed_up, name, created_at, last_used_at, cloned_at) on passkey to ezscale_query;
grant select (person_id, confirmed_at) on totp to ezscale_query;
grant select (person_id, issued_at, used_at) on recovery_code to ezscale_query;
grant select (id, site, person_id, customer_id, factors, opened_at, proved_at, seen_at, expires_at, idle, ip, user_agent, ended_at,
    impersonator_id, reason, widened) on session to ezscale_query;
grant select (id, hint, name, person_id, customer_id, scopes, created_at, expires_at, last_used_at, last_used_ip, revoked_at) on api_token to ezscale_query;

-- +goose Down
-- Forward only.
