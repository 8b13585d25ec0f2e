"""Assessment of one photograph by the trained models of one syndrome: training, files, calibration and answers.

`training` fits all models on matched patients and controls, `model_files` stores them as safetensors and JSON with a
card, and `syndrome_model` answers for a photograph. Everything here is for research; no answer is a diagnosis.
"""
