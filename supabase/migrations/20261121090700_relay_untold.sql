-- A conversation says of each item and of each end of a response whether the client may not have been told of it, and keeps
-- what is not confirmed event by event: with the whole list in every save, a history that is seeded cost the square of it.

alter table public.relay_conversations drop column pending;
alter table public.relay_conversations drop column last_end;
alter table public.relay_conversations add column untold json not null default '[]';
alter table public.relay_conversations add column ends json not null default '[]';

create table public.relay_conversation_pending (
  user_id uuid not null,
  session_id text collate "C" not null,
  -- Numbers grow in the order in which the events came.
  number bigint not null,
  event json not null,
  primary key (user_id, session_id, number),
  foreign key (user_id, session_id) references public.relay_conversations on delete cascade
);
comment on table public.relay_conversation_pending is 'What a client sent in a conversation, and OpenAI has not confirmed.';
alter table public.relay_conversation_pending enable row level security;
revoke all on public.relay_conversation_pending from public, anon, authenticated, service_role;
grant select, delete on public.relay_conversation_pending to service_role;

-- As before, with what is pending by its numbers.
create or replace function public.relay_save_conversation(member uuid, session text, holder uuid, changes jsonb)
returns boolean
language plpgsql security definer set search_path = '' as $$
begin
  perform edge_sockets.require_server();
  update public.relay_conversations c set
    saved_at = now(),
    config = case when changes ? 'config' then (changes ->> 'config')::json else c.config end,
    due = case when changes ? 'due' then (changes ->> 'due')::json else c.due end,
    untold = case when changes ? 'untold' then (changes ->> 'untold')::json else c.untold end,
    ends = case when changes ? 'ends' then (changes ->> 'ends')::json else c.ends end,
    told = coalesce((changes ->> 'told')::boolean, c.told)
  where c.user_id = member and c.session_id = session and c.owner = holder
    and c.saved_at >= now() - edge_sockets.conversation_kept();
  if not found then
    return false;
  end if;
  delete from public.relay_conversation_items i
    where i.user_id = member and i.session_id = session
      and i.item_id in (select jsonb_array_elements_text(coalesce(changes -> 'remove', '[]')));
  insert into public.relay_conversation_items as i (user_id, session_id, item_id, place, item, role, audio_ms)
    select member, session, x ->> 'id', (x ->> 'place')::double precision, (x ->> 'item')::json, x ->> 'role',
      (x ->> 'audio_ms')::double precision
    from jsonb_array_elements(coalesce(changes -> 'put', '[]')) as x
    on conflict (user_id, session_id, item_id) do update
      set place = excluded.place, item = excluded.item, role = excluded.role, audio_ms = excluded.audio_ms;
  delete from public.relay_conversation_pending p
    where p.user_id = member and p.session_id = session
      and p.number in (select n::bigint from jsonb_array_elements_text(coalesce(changes -> 'unpend', '[]')) as n);
  insert into public.relay_conversation_pending as p (user_id, session_id, number, event)
    select member, session, (x ->> 'number')::bigint, (x ->> 'event')::json
    from jsonb_array_elements(coalesce(changes -> 'pend', '[]')) as x
    on conflict (user_id, session_id, number) do update set event = excluded.event;
  return true;
end $$;
