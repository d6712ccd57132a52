"""The recipe of Vivace Mini: data, tokenizer, model, training, evaluation."""
