select p.id as person_id, p.site, p.name, p.email, p.email_verified_at is not null as email_verified, p.locale, p.time_zone,
    w.set_at as password_set_at, t.confirmed_at as totp_confirmed_at,
    (select count(*) from recovery_code r where r.person_id = p.id and r.used_at is null)::int as recovery_codes
from person p
left join password w on w.person_id = p.id
left join totp t on t.person_id = p.id
where p.id = $1
