select id, name, created_at, last_used_at, backed_up, aaguid, cloned_at is not null as cloned
from passkey
where person_id = $1
order by created_at, id
