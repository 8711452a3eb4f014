select l.id as link_id, p.id as person_id, p.email, p.name
from link l join person p on p.id = l.person_id and p.site = 'admin' and p.status = 'active' and p.email = l.email
where l.token_hash = $1 and l.purpose = 'enrolment' and l.used_at is null and l.revoked_at is null and l.expires_at > $2
