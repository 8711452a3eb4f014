-- What of people is sealed by the secret ring: seeds of authenticators, and tax ids.

-- +goose Up
create trigger seed_sealed before insert or update of seed on totp
    for each row execute function secret_guard('seed', 'person_id');
create trigger tax_id_sealed before insert or update of tax_id on customer
    for each row execute function secret_guard('tax_id', 'id');

-- +goose Down
-- Forward only.
