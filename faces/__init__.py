"""What a face image is: labels, pictures, detection, landmarks, alignment, phantoms, data sets."""
