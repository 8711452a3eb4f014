-- What of people is sealed, and the second wall before what is theirs.

-- +goose Up

-- Seeds of authenticators, and tax ids, are sealed by the secret ring.
create trigger seed_sealed before insert or update of seed on totp
    for each row execute function secret_guard('seed', 'person_id');
create trigger tax_id_sealed before insert or update of tax_id on customer
    for each row execute function secret_guard('tax_id', 'id');

-- The door finds out who asks before there is anybody to ask for.
alter policy platform on customer to ezscale_command, ezscale_query, ezscale_meter, ezscale_audit, ezscale_door;

-- +goose StatementBegin
do $$
declare
    walled regclass;
begin
    foreach walled in array array['person', 'membership', 'customer_address', 'link', 'password', 'passkey', 'totp', 'recovery_code', 'session', 'api_token']::regclass[] loop
        execute format('alter table %s enable row level security', walled);
        execute format('create policy platform on %s to ezscale_command, ezscale_query, ezscale_door using (true) with check (true)', walled);
    end loop;
end $$;
-- +goose StatementEnd

grant select (company, phone, tax_id, tax_exempt, locale, time_zone, status) on customer to ezscale_customer;
grant select (id, site, email, email_verified_at, name, locale, time_zone, status, created_at) on person to ezscale_customer;
grant select on membership, customer_address to ezscale_customer;
grant select (id, purpose, site, person_id, customer_id, rights, email, created_by, created_at, expires_at, used_at, revoked_at) on link to ezscale_customer;
grant select (person_id, set_at) on password to ezscale_customer;
grant select (id, person_id, aaguid, transports, backup_eligible, backed_up, name, created_at, last_used_at, cloned_at) on passkey to ezscale_customer;
grant select (person_id, confirmed_at) on totp to ezscale_customer;
grant select (person_id, issued_at, used_at) on recovery_code to ezscale_customer;
grant select (id, site, person_id, customer_id, factors, opened_at, proved_at, seen_at, expires_at, idle, ip, user_agent, ended_at,
    impersonator_id, reason, widened) on session to ezscale_customer;
grant select (id, hint, name, person_id, customer_id, scopes, created_at, expires_at, last_used_at, last_used_ip, revoked_at) on api_token to ezscale_customer;

-- People of the account see each other; what somebody proves himself with, he alone sees.
create policy own on membership for select to ezscale_customer using (customer_id = asking_customer() or person_id = asking_person());
create policy own on person for select to ezscale_customer using (id = asking_person()
    or id in (select m.person_id from membership m where m.customer_id = asking_customer()));
create policy own on customer_address for select to ezscale_customer using (customer_id = asking_customer());
create policy own on link for select to ezscale_customer using (customer_id = asking_customer());
create policy own on password for select to ezscale_customer using (person_id = asking_person());
create policy own on passkey for select to ezscale_customer using (person_id = asking_person());
create policy own on totp for select to ezscale_customer using (person_id = asking_person());
create policy own on recovery_code for select to ezscale_customer using (person_id = asking_person());
create policy own on session for select to ezscale_customer using (person_id = asking_person());
create policy own on api_token for select to ezscale_customer using (person_id = asking_person());

-- +goose Down
-- Forward only.
