-- A store of revision 0001, as the version that made such stores wrote it.
BEGIN TRANSACTION;
CREATE TABLE baseline (
	task_digest VARCHAR(16) NOT NULL, 
	fingerprint TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (task_digest, fingerprint)
);
INSERT INTO "baseline" VALUES('f6b4b073b6fdaf00','there','{"eager":{"median_ms":3.0,"low_ms":2.9699999999999998,"high_ms":3.0300000000000002,"samples_ms":[3.0,3.0,3.0]}}');
CREATE TABLE candidate (
	digest VARCHAR(64) NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	created VARCHAR(32) NOT NULL, 
	PRIMARY KEY (digest)
);
INSERT INTO "candidate" VALUES('a4d9fb09c4e407d63dd817dff3837a08954015f3a56bf89a438d9ae1e66dcdd8','dbe37ac31a72d7ea53b9ebee11146250c80c9f28852885229dcf56019ea1f465','2026-11-25T23:08:34.257156+00:00');
INSERT INTO "candidate" VALUES('3bcef859593f7e6fb200ba847ad5e33d6d3c855e64ca4a678d7cbfc6e8943a6d','9e26bf369911c45c243c684147b23fc9e1dcfcf257d299a1c632016a6fcd33f4','2026-11-25T23:08:34.300741+00:00');
INSERT INTO "candidate" VALUES('b68c1e2f8dc354c83a1606bf181116db81d7db1a2a3ecf7d586df1fe0b19f775','4205c4809ab1b080fd32b6bf9640e5feaa6d1b69bf9fa684954ab710157ec141','2026-11-25T23:08:34.329191+00:00');
CREATE TABLE harness_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT harness_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "harness_version" VALUES('0001');
CREATE TABLE profile (
	digest VARCHAR(64) NOT NULL, 
	task_digest VARCHAR(16) NOT NULL, 
	fingerprint TEXT NOT NULL, 
	body VARCHAR(64) NOT NULL, 
	PRIMARY KEY (digest, task_digest, fingerprint), 
	FOREIGN KEY(digest) REFERENCES candidate (digest)
);
INSERT INTO "profile" VALUES('a4d9fb09c4e407d63dd817dff3837a08954015f3a56bf89a438d9ae1e66dcdd8','f6b4b073b6fdaf00','there','ae039dc541c7b33f06b83010c7f58ea3081c1a9836d2cc204af68558aaa280a4');
CREATE TABLE run (
	id VARCHAR(8) NOT NULL, 
	"key" TEXT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	settings TEXT NOT NULL, 
	created VARCHAR(32) NOT NULL, 
	reason TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "run" VALUES('2221501b','key','interrupted','{"task": "softmax"}','2026-11-25T23:08:34.230908+00:00','interrupted');
CREATE TABLE step (
	id INTEGER NOT NULL, 
	run VARCHAR(8) NOT NULL, 
	position INTEGER NOT NULL, 
	stage TEXT NOT NULL, 
	candidate VARCHAR(64), 
	parent VARCHAR(64), 
	proposer TEXT NOT NULL, 
	change TEXT NOT NULL, 
	decision VARCHAR(16) NOT NULL, 
	task TEXT NOT NULL, 
	device TEXT NOT NULL, 
	status VARCHAR(32) NOT NULL, 
	created VARCHAR(32) NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT step_position UNIQUE (run, position), 
	FOREIGN KEY(run) REFERENCES run (id), 
	FOREIGN KEY(candidate) REFERENCES candidate (digest), 
	FOREIGN KEY(parent) REFERENCES candidate (digest)
);
INSERT INTO "step" VALUES(1,'2221501b',0,'start','a4d9fb09c4e407d63dd817dff3837a08954015f3a56bf89a438d9ae1e66dcdd8',NULL,'task','change 0','start','softmax','NVIDIA H100 80GB HBM3','verified','2026-11-25T23:08:34.279654+00:00','{"index":0,"stage":"start","round":0,"kind":"start","candidate":"a4d9fb09c4e407d63dd817dff3837a08954015f3a56bf89a438d9ae1e66dcdd8","parent":"","proposer":"task","change":"change 0","model":"","prompt":"","reply":"","prompt_tokens":0,"completion_tokens":0,"usd":0.0,"seconds":1.5,"calls":0,"verdict":{"status":"verified","reason":"","task":"softmax","device":"NVIDIA H100 80GB HBM3","time":{"median_ms":2.0,"low_ms":1.98,"high_ms":2.02,"samples_ms":[2.0,2.0,2.0]},"baseline":{"eager":{"median_ms":3.0,"low_ms":2.9699999999999998,"high_ms":3.0300000000000002,"samples_ms":[3.0,3.0,3.0]},"compile":{"median_ms":1.5,"low_ms":1.4849999999999999,"high_ms":1.5150000000000001,"samples_ms":[1.5,1.5,1.5]}},"gain":null,"error":null,"kernels":[{"name":"softmax_kernel","registers":32,"spill_bytes":0,"shared_bytes":1024,"occupancy":0.75,"limited_by":null,"num_warps":4,"num_stages":2,"grid":null,"launches":null,"constants":{},"loads":null,"fits":true,"time_share":null,"precision":[]}],"evidence":{"checked_on":"device","target":"","weights":"","transport":"","isolation":[],"isolation_missing":[],"precision":{},"software":{},"autotune":{},"own_share":1.0,"torch_operators":{},"ablated":true,"seconds":{},"notes":[],"findings":[]}},"decision":"start","note":"","run":"2221501b"}');
INSERT INTO "step" VALUES(2,'2221501b',1,'finetune','3bcef859593f7e6fb200ba847ad5e33d6d3c855e64ca4a678d7cbfc6e8943a6d','a4d9fb09c4e407d63dd817dff3837a08954015f3a56bf89a438d9ae1e66dcdd8','rules','change 1','nominated','softmax','NVIDIA GeForce RTX 4090','verified','2026-11-25T23:08:34.316578+00:00','{"index":1,"stage":"finetune","round":1,"kind":"proposal","candidate":"3bcef859593f7e6fb200ba847ad5e33d6d3c855e64ca4a678d7cbfc6e8943a6d","parent":"a4d9fb09c4e407d63dd817dff3837a08954015f3a56bf89a438d9ae1e66dcdd8","proposer":"rules","change":"change 1","model":"","prompt":"","reply":"","prompt_tokens":0,"completion_tokens":0,"usd":0.0,"seconds":1.5,"calls":0,"verdict":{"status":"verified","reason":"","task":"softmax","device":"NVIDIA GeForce RTX 4090","time":null,"baseline":{"eager":null,"compile":null},"gain":null,"error":null,"kernels":[{"name":"softmax_kernel","registers":64,"spill_bytes":0,"shared_bytes":1024,"occupancy":0.75,"limited_by":null,"num_warps":4,"num_stages":2,"grid":null,"launches":null,"constants":{},"loads":null,"fits":true,"time_share":null,"precision":[]}],"evidence":{"checked_on":"interpreter","target":"","weights":"","transport":"","isolation":["reduced-isolation"],"isolation_missing":[],"precision":{},"software":{},"autotune":{},"own_share":null,"torch_operators":{},"ablated":false,"seconds":{},"notes":[],"findings":[]}},"decision":"nominated","note":"","run":"2221501b"}');
INSERT INTO "step" VALUES(3,'2221501b',2,'finetune','b68c1e2f8dc354c83a1606bf181116db81d7db1a2a3ecf7d586df1fe0b19f775','a4d9fb09c4e407d63dd817dff3837a08954015f3a56bf89a438d9ae1e66dcdd8','rules','change 2','failed','softmax','NVIDIA H100 80GB HBM3','wrong_output','2026-11-25T23:08:34.332105+00:00','{"index":2,"stage":"finetune","round":2,"kind":"proposal","candidate":"b68c1e2f8dc354c83a1606bf181116db81d7db1a2a3ecf7d586df1fe0b19f775","parent":"a4d9fb09c4e407d63dd817dff3837a08954015f3a56bf89a438d9ae1e66dcdd8","proposer":"rules","change":"change 2","model":"","prompt":"","reply":"","prompt_tokens":0,"completion_tokens":0,"usd":0.0,"seconds":1.5,"calls":0,"verdict":{"status":"wrong_output","reason":"element 3 differs","task":"softmax","device":"NVIDIA H100 80GB HBM3","time":null,"baseline":{"eager":null,"compile":null},"gain":null,"error":null,"kernels":[],"evidence":{"checked_on":"device","target":"","weights":"","transport":"","isolation":[],"isolation_missing":[],"precision":{},"software":{},"autotune":{},"own_share":null,"torch_operators":{},"ablated":false,"seconds":{},"notes":[],"findings":[]}},"decision":"failed","note":"","run":"2221501b"}');
CREATE TABLE task (
	digest VARCHAR(16) NOT NULL, 
	name TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (digest)
);
INSERT INTO "task" VALUES('f6b4b073b6fdaf00','softmax','{"name":"softmax","title":"","reference":"# softmax\nclass Model: ...\n","path":"softmax.py","category":"fusion","small":{},"vary":{},"tolerance":{"name":"standard","rtol":1.0,"atol":1.0,"reference_factor":1.0,"rule":"truth","half":null,"by_row":false,"repeat_rtol":0.0,"reduced":"refused"},"precision":{"cudnn_allow_tf32":true,"float32_matmul":"highest","cudnn_benchmark":false,"allow_reduced":false},"weights":"static","torch_ops":[],"aliasing":"forbidden","start":""}');
CREATE TABLE verdict (
	id INTEGER NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	task_digest VARCHAR(16) NOT NULL, 
	task_name TEXT NOT NULL, 
	fingerprint TEXT NOT NULL, 
	device TEXT NOT NULL, 
	status VARCHAR(32) NOT NULL, 
	checked_on VARCHAR(16) NOT NULL, 
	created VARCHAR(32) NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(digest) REFERENCES candidate (digest), 
	FOREIGN KEY(task_digest) REFERENCES task (digest)
);
INSERT INTO "verdict" VALUES(1,'a4d9fb09c4e407d63dd817dff3837a08954015f3a56bf89a438d9ae1e66dcdd8','f6b4b073b6fdaf00','softmax','there','NVIDIA H100 80GB HBM3','verified','device','2026-11-25T23:08:34.269644+00:00','{"status":"verified","reason":"","task":"softmax","device":"NVIDIA H100 80GB HBM3","time":{"median_ms":2.0,"low_ms":1.98,"high_ms":2.02,"samples_ms":[2.0,2.0,2.0]},"baseline":{"eager":{"median_ms":3.0,"low_ms":2.9699999999999998,"high_ms":3.0300000000000002,"samples_ms":[3.0,3.0,3.0]},"compile":{"median_ms":1.5,"low_ms":1.4849999999999999,"high_ms":1.5150000000000001,"samples_ms":[1.5,1.5,1.5]}},"gain":null,"error":null,"kernels":[{"name":"softmax_kernel","registers":32,"spill_bytes":0,"shared_bytes":1024,"occupancy":0.75,"limited_by":null,"num_warps":4,"num_stages":2,"grid":null,"launches":null,"constants":{},"loads":null,"fits":true,"time_share":null,"precision":[]}],"evidence":{"checked_on":"device","target":"","weights":"","transport":"","isolation":[],"isolation_missing":[],"precision":{},"software":{},"autotune":{},"own_share":1.0,"torch_operators":{},"ablated":true,"seconds":{},"notes":[],"findings":[]}}');
INSERT INTO "verdict" VALUES(2,'3bcef859593f7e6fb200ba847ad5e33d6d3c855e64ca4a678d7cbfc6e8943a6d','f6b4b073b6fdaf00','softmax','there','NVIDIA GeForce RTX 4090','verified','interpreter','2026-11-25T23:08:34.302965+00:00','{"status":"verified","reason":"","task":"softmax","device":"NVIDIA GeForce RTX 4090","time":null,"baseline":{"eager":null,"compile":null},"gain":null,"error":null,"kernels":[{"name":"softmax_kernel","registers":64,"spill_bytes":0,"shared_bytes":1024,"occupancy":0.75,"limited_by":null,"num_warps":4,"num_stages":2,"grid":null,"launches":null,"constants":{},"loads":null,"fits":true,"time_share":null,"precision":[]}],"evidence":{"checked_on":"interpreter","target":"","weights":"","transport":"","isolation":["reduced-isolation"],"isolation_missing":[],"precision":{},"software":{},"autotune":{},"own_share":null,"torch_operators":{},"ablated":false,"seconds":{},"notes":[],"findings":[]}}');
INSERT INTO "verdict" VALUES(3,'b68c1e2f8dc354c83a1606bf181116db81d7db1a2a3ecf7d586df1fe0b19f775','f6b4b073b6fdaf00','softmax','there','NVIDIA H100 80GB HBM3','wrong_output','device','2026-11-25T23:08:34.331035+00:00','{"status":"wrong_output","reason":"element 3 differs","task":"softmax","device":"NVIDIA H100 80GB HBM3","time":null,"baseline":{"eager":null,"compile":null},"gain":null,"error":null,"kernels":[],"evidence":{"checked_on":"device","target":"","weights":"","transport":"","isolation":[],"isolation_missing":[],"precision":{},"software":{},"autotune":{},"own_share":null,"torch_operators":{},"ablated":false,"seconds":{},"notes":[],"findings":[]}}');
CREATE INDEX run_key ON run ("key");
CREATE INDEX step_candidate ON step (candidate);
CREATE INDEX verdict_subject ON verdict (digest, task_digest, fingerprint);
CREATE INDEX verdict_task ON verdict (task_name);
COMMIT;
