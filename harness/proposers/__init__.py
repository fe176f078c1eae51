"""Who proposes candidates: a language model, the rules of a stage, or the recording of an earlier run."""
