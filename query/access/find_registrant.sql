select p.name, p.email, p.handle, array(select k.credential_id from passkey k where k.person_id = p.id order by k.created_at, k.id) as credential_ids
from person p
where p.id = $1
