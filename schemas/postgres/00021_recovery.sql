-- Support lets people in again who have lost what they sign in with, where it may look at accounts as one of them anyway.

-- +goose Up
update role set permissions = array_append(permissions, 'people.recover')
where id = '00000000-0000-7000-8000-000000000002' and permissions @> '{customers.write,impersonate}' and not permissions @> '{people.recover}';

-- +goose Down
-- Forward only.
