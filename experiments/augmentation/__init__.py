"""The augmentation experiment of Duong et al. 2022 on phantoms: what image sets add to a classifier."""
