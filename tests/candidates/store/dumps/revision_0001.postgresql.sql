-- A store of revision 0001, as the version that made such stores wrote it.
CREATE TABLE public.baseline (
    task_digest character varying(16) NOT NULL,
    fingerprint text NOT NULL,
    body text NOT NULL
);
CREATE TABLE public.candidate (
    digest character varying(64) NOT NULL,
    source character varying(64) NOT NULL,
    created character varying(32) NOT NULL
);
CREATE TABLE public.harness_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.profile (
    digest character varying(64) NOT NULL,
    task_digest character varying(16) NOT NULL,
    fingerprint text NOT NULL,
    body character varying(64) NOT NULL
);
CREATE TABLE public.run (
    id character varying(8) NOT NULL,
    key text NOT NULL,
    state character varying(16) NOT NULL,
    settings text NOT NULL,
    created character varying(32) NOT NULL,
    reason text NOT NULL
);
CREATE TABLE public.step (
    id integer NOT NULL,
    run character varying(8) NOT NULL,
    "position" integer NOT NULL,
    stage text NOT NULL,
    candidate character varying(64),
    parent character varying(64),
    proposer text NOT NULL,
    change text NOT NULL,
    decision character varying(16) NOT NULL,
    task text NOT NULL,
    device text NOT NULL,
    status character varying(32) NOT NULL,
    created character varying(32) NOT NULL,
    body text NOT NULL
);
CREATE SEQUENCE public.step_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.step_id_seq OWNED BY public.step.id;
CREATE TABLE public.task (
    digest character varying(16) NOT NULL,
    name text NOT NULL,
    body text NOT NULL
);
CREATE TABLE public.verdict (
    id integer NOT NULL,
    digest character varying(64) NOT NULL,
    task_digest character varying(16) NOT NULL,
    task_name text NOT NULL,
    fingerprint text NOT NULL,
    device text NOT NULL,
    status character varying(32) NOT NULL,
    checked_on character varying(16) NOT NULL,
    created character varying(32) NOT NULL,
    body text NOT NULL
);
CREATE SEQUENCE public.verdict_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.verdict_id_seq OWNED BY public.verdict.id;
ALTER TABLE ONLY public.step ALTER COLUMN id SET DEFAULT nextval('public.step_id_seq'::regclass);
ALTER TABLE ONLY public.verdict ALTER COLUMN id SET DEFAULT nextval('public.verdict_id_seq'::regclass);
INSERT INTO public.baseline VALUES ('f6b4b073b6fdaf00', 'there', '{"eager":{"median_ms":3.0,"low_ms":2.9699999999999998,"high_ms":3.0300000000000002,"samples_ms":[3.0,3.0,3.0]}}');
INSERT INTO public.candidate VALUES ('a4d9fb09c4e407d63dd817dff3837a08954015f3a56bf89a438d9ae1e66dcdd8', 'dbe37ac31a72d7ea53b9ebee11146250c80c9f28852885229dcf56019ea1f465', '2026-11-25T23:08:43.069742+00:00');
INSERT INTO public.candidate VALUES ('3bcef859593f7e6fb200ba847ad5e33d6d3c855e64ca4a678d7cbfc6e8943a6d', '9e26bf369911c45c243c684147b23fc9e1dcfcf257d299a1c632016a6fcd33f4', '2026-11-25T23:08:43.139697+00:00');
INSERT INTO public.candidate VALUES ('b68c1e2f8dc354c83a1606bf181116db81d7db1a2a3ecf7d586df1fe0b19f775', '4205c4809ab1b080fd32b6bf9640e5feaa6d1b69bf9fa684954ab710157ec141', '2026-11-25T23:08:43.169863+00:00');
INSERT INTO public.harness_version VALUES ('0001');
INSERT INTO public.profile VALUES ('a4d9fb09c4e407d63dd817dff3837a08954015f3a56bf89a438d9ae1e66dcdd8', 'f6b4b073b6fdaf00', 'there', 'ae039dc541c7b33f06b83010c7f58ea3081c1a9836d2cc204af68558aaa280a4');
INSERT INTO public.run VALUES ('b0f8fec5', 'key', 'interrupted', '{"task": "softmax"}', '2026-11-25T23:08:43.042454+00:00', 'interrupted');
INSERT INTO public.step VALUES (1, 'b0f8fec5', 0, 'start', 'a4d9fb09c4e407d63dd817dff3837a08954015f3a56bf89a438d9ae1e66dcdd8', NULL, 'task', 'change 0', 'start', 'softmax', 'NVIDIA H100 80GB HBM3', 'verified', '2026-11-25T23:08:43.117272+00:00', '{"index":0,"stage":"start","round":0,"kind":"start","candidate":"a4d9fb09c4e407d63dd817dff3837a08954015f3a56bf89a438d9ae1e66dcdd8","parent":"","proposer":"task","change":"change 0","model":"","prompt":"","reply":"","prompt_tokens":0,"completion_tokens":0,"usd":0.0,"seconds":1.5,"calls":0,"verdict":{"status":"verified","reason":"","task":"softmax","device":"NVIDIA H100 80GB HBM3","time":{"median_ms":2.0,"low_ms":1.98,"high_ms":2.02,"samples_ms":[2.0,2.0,2.0]},"baseline":{"eager":{"median_ms":3.0,"low_ms":2.9699999999999998,"high_ms":3.0300000000000002,"samples_ms":[3.0,3.0,3.0]},"compile":{"median_ms":1.5,"low_ms":1.4849999999999999,"high_ms":1.5150000000000001,"samples_ms":[1.5,1.5,1.5]}},"gain":null,"error":null,"kernels":[{"name":"softmax_kernel","registers":32,"spill_bytes":0,"shared_bytes":1024,"occupancy":0.75,"limited_by":null,"num_warps":4,"num_stages":2,"grid":null,"launches":null,"constants":{},"loads":null,"fits":true,"time_share":null,"precision":[]}],"evidence":{"checked_on":"device","target":"","weights":"","transport":"","isolation":[],"isolation_missing":[],"precision":{},"software":{},"autotune":{},"own_share":1.0,"torch_operators":{},"ablated":true,"seconds":{},"notes":[],"findings":[]}},"decision":"start","note":"","run":"b0f8fec5"}');
INSERT INTO public.step VALUES (2, 'b0f8fec5', 1, 'finetune', '3bcef859593f7e6fb200ba847ad5e33d6d3c855e64ca4a678d7cbfc6e8943a6d', 'a4d9fb09c4e407d63dd817dff3837a08954015f3a56bf89a438d9ae1e66dcdd8', 'rules', 'change 1', 'nominated', 'softmax', 'NVIDIA GeForce RTX 4090', 'verified', '2026-11-25T23:08:43.156702+00:00', '{"index":1,"stage":"finetune","round":1,"kind":"proposal","candidate":"3bcef859593f7e6fb200ba847ad5e33d6d3c855e64ca4a678d7cbfc6e8943a6d","parent":"a4d9fb09c4e407d63dd817dff3837a08954015f3a56bf89a438d9ae1e66dcdd8","proposer":"rules","change":"change 1","model":"","prompt":"","reply":"","prompt_tokens":0,"completion_tokens":0,"usd":0.0,"seconds":1.5,"calls":0,"verdict":{"status":"verified","reason":"","task":"softmax","device":"NVIDIA GeForce RTX 4090","time":null,"baseline":{"eager":null,"compile":null},"gain":null,"error":null,"kernels":[{"name":"softmax_kernel","registers":64,"spill_bytes":0,"shared_bytes":1024,"occupancy":0.75,"limited_by":null,"num_warps":4,"num_stages":2,"grid":null,"launches":null,"constants":{},"loads":null,"fits":true,"time_share":null,"precision":[]}],"evidence":{"checked_on":"interpreter","target":"","weights":"","transport":"","isolation":["reduced-isolation"],"isolation_missing":[],"precision":{},"software":{},"autotune":{},"own_share":null,"torch_operators":{},"ablated":false,"seconds":{},"notes":[],"findings":[]}},"decision":"nominated","note":"","run":"b0f8fec5"}');
INSERT INTO public.step VALUES (3, 'b0f8fec5', 2, 'finetune', 'b68c1e2f8dc354c83a1606bf181116db81d7db1a2a3ecf7d586df1fe0b19f775', 'a4d9fb09c4e407d63dd817dff3837a08954015f3a56bf89a438d9ae1e66dcdd8', 'rules', 'change 2', 'failed', 'softmax', 'NVIDIA H100 80GB HBM3', 'wrong_output', '2026-11-25T23:08:43.186714+00:00', '{"index":2,"stage":"finetune","round":2,"kind":"proposal","candidate":"b68c1e2f8dc354c83a1606bf181116db81d7db1a2a3ecf7d586df1fe0b19f775","parent":"a4d9fb09c4e407d63dd817dff3837a08954015f3a56bf89a438d9ae1e66dcdd8","proposer":"rules","change":"change 2","model":"","prompt":"","reply":"","prompt_tokens":0,"completion_tokens":0,"usd":0.0,"seconds":1.5,"calls":0,"verdict":{"status":"wrong_output","reason":"element 3 differs","task":"softmax","device":"NVIDIA H100 80GB HBM3","time":null,"baseline":{"eager":null,"compile":null},"gain":null,"error":null,"kernels":[],"evidence":{"checked_on":"device","target":"","weights":"","transport":"","isolation":[],"isolation_missing":[],"precision":{},"software":{},"autotune":{},"own_share":null,"torch_operators":{},"ablated":false,"seconds":{},"notes":[],"findings":[]}},"decision":"failed","note":"","run":"b0f8fec5"}');
INSERT INTO public.task VALUES ('f6b4b073b6fdaf00', 'softmax', '{"name":"softmax","title":"","reference":"# softmax\nclass Model: ...\n","path":"softmax.py","category":"fusion","small":{},"vary":{},"tolerance":{"name":"standard","rtol":1.0,"atol":1.0,"reference_factor":1.0,"rule":"truth","half":null,"by_row":false,"repeat_rtol":0.0,"reduced":"refused"},"precision":{"cudnn_allow_tf32":true,"float32_matmul":"highest","cudnn_benchmark":false,"allow_reduced":false},"weights":"static","torch_ops":[],"aliasing":"forbidden","start":""}');
INSERT INTO public.verdict VALUES (1, 'a4d9fb09c4e407d63dd817dff3837a08954015f3a56bf89a438d9ae1e66dcdd8', 'f6b4b073b6fdaf00', 'softmax', 'there', 'NVIDIA H100 80GB HBM3', 'verified', 'device', '2026-11-25T23:08:43.082005+00:00', '{"status":"verified","reason":"","task":"softmax","device":"NVIDIA H100 80GB HBM3","time":{"median_ms":2.0,"low_ms":1.98,"high_ms":2.02,"samples_ms":[2.0,2.0,2.0]},"baseline":{"eager":{"median_ms":3.0,"low_ms":2.9699999999999998,"high_ms":3.0300000000000002,"samples_ms":[3.0,3.0,3.0]},"compile":{"median_ms":1.5,"low_ms":1.4849999999999999,"high_ms":1.5150000000000001,"samples_ms":[1.5,1.5,1.5]}},"gain":null,"error":null,"kernels":[{"name":"softmax_kernel","registers":32,"spill_bytes":0,"shared_bytes":1024,"occupancy":0.75,"limited_by":null,"num_warps":4,"num_stages":2,"grid":null,"launches":null,"constants":{},"loads":null,"fits":true,"time_share":null,"precision":[]}],"evidence":{"checked_on":"device","target":"","weights":"","transport":"","isolation":[],"isolation_missing":[],"precision":{},"software":{},"autotune":{},"own_share":1.0,"torch_operators":{},"ablated":true,"seconds":{},"notes":[],"findings":[]}}');
INSERT INTO public.verdict VALUES (2, '3bcef859593f7e6fb200ba847ad5e33d6d3c855e64ca4a678d7cbfc6e8943a6d', 'f6b4b073b6fdaf00', 'softmax', 'there', 'NVIDIA GeForce RTX 4090', 'verified', 'interpreter', '2026-11-25T23:08:43.152870+00:00', '{"status":"verified","reason":"","task":"softmax","device":"NVIDIA GeForce RTX 4090","time":null,"baseline":{"eager":null,"compile":null},"gain":null,"error":null,"kernels":[{"name":"softmax_kernel","registers":64,"spill_bytes":0,"shared_bytes":1024,"occupancy":0.75,"limited_by":null,"num_warps":4,"num_stages":2,"grid":null,"launches":null,"constants":{},"loads":null,"fits":true,"time_share":null,"precision":[]}],"evidence":{"checked_on":"interpreter","target":"","weights":"","transport":"","isolation":["reduced-isolation"],"isolation_missing":[],"precision":{},"software":{},"autotune":{},"own_share":null,"torch_operators":{},"ablated":false,"seconds":{},"notes":[],"findings":[]}}');
INSERT INTO public.verdict VALUES (3, 'b68c1e2f8dc354c83a1606bf181116db81d7db1a2a3ecf7d586df1fe0b19f775', 'f6b4b073b6fdaf00', 'softmax', 'there', 'NVIDIA H100 80GB HBM3', 'wrong_output', 'device', '2026-11-25T23:08:43.180949+00:00', '{"status":"wrong_output","reason":"element 3 differs","task":"softmax","device":"NVIDIA H100 80GB HBM3","time":null,"baseline":{"eager":null,"compile":null},"gain":null,"error":null,"kernels":[],"evidence":{"checked_on":"device","target":"","weights":"","transport":"","isolation":[],"isolation_missing":[],"precision":{},"software":{},"autotune":{},"own_share":null,"torch_operators":{},"ablated":false,"seconds":{},"notes":[],"findings":[]}}');
SELECT pg_catalog.setval('public.step_id_seq', 3, true);
SELECT pg_catalog.setval('public.verdict_id_seq', 3, true);
ALTER TABLE ONLY public.baseline
    ADD CONSTRAINT baseline_pkey PRIMARY KEY (task_digest, fingerprint);
ALTER TABLE ONLY public.candidate
    ADD CONSTRAINT candidate_pkey PRIMARY KEY (digest);
ALTER TABLE ONLY public.harness_version
    ADD CONSTRAINT harness_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.profile
    ADD CONSTRAINT profile_pkey PRIMARY KEY (digest, task_digest, fingerprint);
ALTER TABLE ONLY public.run
    ADD CONSTRAINT run_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.step
    ADD CONSTRAINT step_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.step
    ADD CONSTRAINT step_position UNIQUE (run, "position");
ALTER TABLE ONLY public.task
    ADD CONSTRAINT task_pkey PRIMARY KEY (digest);
ALTER TABLE ONLY public.verdict
    ADD CONSTRAINT verdict_pkey PRIMARY KEY (id);
CREATE INDEX run_key ON public.run USING btree (key);
CREATE INDEX step_candidate ON public.step USING btree (candidate);
CREATE INDEX verdict_subject ON public.verdict USING btree (digest, task_digest, fingerprint);
CREATE INDEX verdict_task ON public.verdict USING btree (task_name);
ALTER TABLE ONLY public.profile
    ADD CONSTRAINT profile_digest_fkey FOREIGN KEY (digest) REFERENCES public.candidate(digest);
ALTER TABLE ONLY public.step
    ADD CONSTRAINT step_candidate_fkey FOREIGN KEY (candidate) REFERENCES public.candidate(digest);
ALTER TABLE ONLY public.step
    ADD CONSTRAINT step_parent_fkey FOREIGN KEY (parent) REFERENCES public.candidate(digest);
ALTER TABLE ONLY public.step
    ADD CONSTRAINT step_run_fkey FOREIGN KEY (run) REFERENCES public.run(id);
ALTER TABLE ONLY public.verdict
    ADD CONSTRAINT verdict_digest_fkey FOREIGN KEY (digest) REFERENCES public.candidate(digest);
ALTER TABLE ONLY public.verdict
    ADD CONSTRAINT verdict_task_digest_fkey FOREIGN KEY (task_digest) REFERENCES public.task(digest);
