select p.id as person_id, p.site, p.email, p.email_verified_at, p.name, p.locale, p.status,
    coalesce(w.hash, '') as password_hash,
    t.seed as totp_seed, coalesce(t.last_step, -1) as totp_last_step,
    (select count(*) from passkey k where k.person_id = p.id and k.cloned_at is null)::int as passkeys,
    (select count(*) from recovery_code r where r.person_id = p.id and r.used_at is null)::int as recovery_codes
from person p
left join password w on w.person_id = p.id
left join totp t on t.person_id = p.id and t.confirmed_at is not null
where p.site = $1 and (p.id = $3 or p.email = lower($2))
