-- Programs that act for people: clients, what people allowed them, codes, tokens, and the keys of ID tokens. See
-- packages command/oauth and api/oauth, and docs/decisions/017-oauth.md. Of codes, tokens and clients' secrets there are
-- hashes alone. Whose client is deleted, has nothing left: everything of it goes with its row.

-- +goose Up
create table oauth_client (
    id            uuid        primary key,
    site          text        not null check (site in ('account', 'admin')),
    name          text        not null,
    secret_hash   bytea       check (length(secret_hash) = 32), -- null: a public client, which can keep no secret
    public        bool        not null generated always as (secret_hash is null) stored,
    redirect_uris text[]      not null,
    grants        text[]      not null check (grants <@ '{authorization_code,refresh_token,client_credentials}'),
    scopes        text[]      not null,
    customer_id   uuid        references customer,              -- the account that it acts for by itself
    created_at    timestamptz not null,
    check (not 'client_credentials' = any (grants) or secret_hash is not null),
    check ((customer_id is not null) = (site = 'account' and 'client_credentials' = any (grants)))
);
create index oauth_client_customer on oauth_client (customer_id) where customer_id is not null;

-- A grant is one consent of a person, and the family of the tokens that came of it: they end together.
create table oauth_grant (
    id          uuid        primary key,
    client_id   uuid        not null references oauth_client on delete cascade,
    person_id   uuid        not null references person,
    customer_id uuid        references customer,                -- the account that it is about; null on the admin site
    scopes      text[]      not null,
    proved_at   timestamptz not null,                           -- when the person last proved who he is: auth_time
    created_at  timestamptz not null,
    used_at     timestamptz not null,                           -- when a token was last issued
    expires_at  timestamptz not null,                           -- no token of it lives longer
    revoked_at  timestamptz
);
create index oauth_grant_client on oauth_grant (client_id);
create index oauth_grant_person on oauth_grant (person_id) where revoked_at is null;
create index oauth_grant_over on oauth_grant (expires_at);

create table oauth_code (
    hash         bytea       primary key check (length(hash) = 32),
    grant_id     uuid        not null references oauth_grant on delete cascade,
    redirect_uri text        not null,
    challenge    text,                                          -- PKCE, S256; null after one attempt to meet it
    nonce        text        not null default '',
    created_at   timestamptz not null,
    expires_at   timestamptz not null,
    used_at      timestamptz                                    -- a used one is kept, to know it when it comes again
);
create index oauth_code_grant on oauth_code (grant_id);

create table oauth_token (
    hash       bytea       primary key check (length(hash) = 32),
    kind       text        not null check (kind in ('access', 'refresh')),
    request_id uuid        not null,                            -- the grant, or of a client by itself the request
    grant_id   uuid        references oauth_grant on delete cascade,
    client_id  uuid        not null references oauth_client on delete cascade,
    scopes     text[]      not null,
    issued_at  timestamptz not null,
    expires_at timestamptz not null,
    used_at    timestamptz,                                     -- of a refresh token: it was exchanged
    check (grant_id = request_id),
    check (kind = 'access' or grant_id is not null)
);
create index oauth_token_request on oauth_token (request_id);
create index oauth_token_client on oauth_token (client_id);
create index oauth_token_over on oauth_token (expires_at);

-- Keys of ID tokens (ES256), each site its own. The private part is sealed by the secret ring, place oauth_key.sealed.
create table oauth_key (
    kid        text        primary key,
    site       text        not null check (site in ('account', 'admin')),
    sealed     bytea       not null,
    public     jsonb       not null,                            -- a JWK, RFC 7517
    signs_from timestamptz not null,
    created_at timestamptz not null
);
create index oauth_key_site on oauth_key (site, signs_from);
create trigger sealed_sealed before insert or update of sealed on oauth_key
    for each row execute function secret_guard('sealed', 'kid');

-- What tokens are exchanged for is ordered by nobody: the door writes it. Clients and consents are orders.
grant select on oauth_client, oauth_grant, oauth_code, oauth_token, oauth_key to ezscale_door;
grant insert on oauth_code, oauth_token, oauth_key to ezscale_door;
grant update (challenge, used_at) on oauth_code to ezscale_door;
grant update (used_at) on oauth_token to ezscale_door;
grant update (used_at, expires_at, revoked_at) on oauth_grant to ezscale_door;
grant delete on oauth_token, oauth_key to ezscale_door;

grant select, insert, update, delete on oauth_client to ezscale_command;
grant select, insert, update, delete on oauth_grant to ezscale_command;
grant select, delete on oauth_token to ezscale_command;
grant select, update (sealed) on oauth_key to ezscale_command;

grant select (id, site, name, public, redirect_uris, grants, scopes, customer_id, created_at) on oauth_client to ezscale_query;
grant select on oauth_grant to ezscale_query;

-- A person sees what he allowed, and the names of those clients.
alter table oauth_client enable row level security;
alter table oauth_grant enable row level security;
create policy platform on oauth_client to ezscale_command, ezscale_query, ezscale_door using (true) with check (true);
create policy platform on oauth_grant to ezscale_command, ezscale_query, ezscale_door using (true) with check (true);
grant select (id, name) on oauth_client to ezscale_customer;
grant select (id, client_id, person_id, customer_id, scopes, created_at, used_at, expires_at, revoked_at) on oauth_grant to ezscale_customer;
create policy own on oauth_grant for select to ezscale_customer using (person_id = asking_person());
create policy own on oauth_client for select to ezscale_customer
    using (id in (select g.client_id from oauth_grant g where g.person_id = asking_person()));

-- +goose Down
-- Forward only.
