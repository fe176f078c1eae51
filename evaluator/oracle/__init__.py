"""The trusted process: owns seeds, inputs, weights, truth, comparison and clock. Imports torch; never a candidate."""
