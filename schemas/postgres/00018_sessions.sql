-- What is long over of people is deleted (package command/retention), and found without looking through all that is there.

-- +goose Up

-- Whether a person had this browser before, and when he was last here, is asked of sessions that are over, too.
create index session_of_person on session (person_id, opened_at);
create index session_of_impersonator on session (impersonator_id) where impersonator_id is not null;
drop index session_over; -- no statement used it: a session is over when it was ended, too
create index session_past on session (least(ended_at, expires_at));
create index api_token_past on api_token (least(revoked_at, expires_at));
create index notification_of_person on notification (queued_at) where person_id is not null;

grant delete on session, api_token, aggregate to ezscale_command;

-- +goose Down
-- Forward only.
