select p.id as person_id, p.email, p.name, p.status, p.created_at,
    array(select r.name from person_role pr join role r on r.id = pr.role_id where pr.person_id = p.id order by r.name) as roles,
    exists (select from password w where w.person_id = p.id) as enrolled,
    exists (select from totp t where t.person_id = p.id and t.confirmed_at is not null)
        or exists (select from passkey k where k.person_id = p.id and k.cloned_at is null) as second_factor,
    (select max(l.expires_at) from link l where l.person_id = p.id and l.purpose = 'enrolment' and l.used_at is null and l.revoked_at is null
        and l.expires_at > $1::timestamptz) as invited_until,
    (select max(s.seen_at) from session s where s.person_id = p.id) as seen_at,
    exists (select from person_role pr join role r on r.id = pr.role_id where pr.person_id = p.id and r.permissions && '{*,staff.write}') as administrator
from person p
where p.site = 'admin' and ($2::text is null or p.email > $2) and ($4::uuid is null or p.id = $4)
order by p.email
limit $3
